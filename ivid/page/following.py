"""A job as its page shows it: the files of its views are written, and the viewer, the grid and the status follow."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ivid.page.assets import SceneAssets
from ivid.page.components import Components
from ivid.page.exports import exports_value
from ivid.page.jobs import GenerationJob, Progress
from ivid.page.requests import link_to
from ivid.page.sessions import Session, ShownScene
from ivid.page.status import progress_status

Update = dict[Any, Any]


class JobView:
    """Turns the progress of one job into updates of the page's components.

    Attributes:
        shown: what the page shows of the job, once there is something to see.
        assets: the files of the views that are finished.
    """

    def __init__(self, components: Components, session: Session, job: GenerationJob) -> None:
        self.shown: ShownScene | None = None
        self.assets: SceneAssets | None = None
        self._components, self._session, self._job = components, session, job
        self._upsampled: SceneAssets | None = None
        self._seen: tuple = ()
        self._started = time.monotonic()

    def is_news(self, progress: Progress) -> bool:
        """Whether something has changed since this was last asked."""
        count = len(progress.views) + len(progress.upsampled)
        now = (progress.phase, progress.ahead, progress.message, count, id(progress.preview))
        changed, self._seen = now != self._seen, now
        return changed

    async def update(self, progress: Progress) -> Update:
        """The components' new values; from the first picture on, the session shows this job."""
        request = self._job.request
        took_s = time.monotonic() - self._started
        update: Update = {self._components.status: progress_status(request, progress, took_s)}
        if self.assets is None and (progress.preview or progress.views):
            self.assets = self._new_assets(progress)
            self.shown = ShownScene(
                self._job.scene,
                self.assets,
                link=None if request.no_link else link_to(request),
                no_link=request.no_link,
                key=request.key,
            )
            self._session.shown = self.shown
        if self.assets is None or self.shown is None:
            return update
        update |= await self._grown(self.assets, progress)
        if progress.phase in ("upsampling", "done") and request.upsample:
            self._upsampled = self._upsampled or self._new_assets(progress)
            update |= await self._grown_upsampled(self._upsampled, self.assets, progress)
            if progress.phase == "done":
                self.assets = self.shown.assets = self._upsampled
        return update

    def _new_assets(self, progress: Progress) -> SceneAssets:
        request = self._job.request
        folder = self._session.folder()
        return SceneAssets(folder, request.cameras, request.view_set, progress.depth_range, request.title)

    async def _grown(self, assets: SceneAssets, progress: Progress) -> Update:
        """The viewer and the grid, after the files of new views are written."""
        grown = assets.count < len(progress.views)
        for view in progress.views[assets.count :]:
            await asyncio.to_thread(assets.add, view)
        update: Update = {self._components.grid: assets.grid(progress.preview, growing=not progress.over)}
        if grown or not assets.count:
            update[self._components.viewer] = assets.manifest(progress.preview)
        if grown:
            update[self._components.exports] = exports_value()
        return update

    async def _grown_upsampled(self, upsampled: SceneAssets, assets: SceneAssets, progress: Progress) -> Update:
        """The grid, as the views in it are upsampled; the viewer changes over when all of them are."""
        for view in progress.upsampled[upsampled.count :]:
            await asyncio.to_thread(upsampled.add, view)
        grid = upsampled.grid(progress.preview, not progress.over, before=assets)
        update: Update = {self._components.grid: grid}
        if progress.phase == "done":
            update[self._components.viewer] = upsampled.manifest(keyframes=self.shown.keyframes if self.shown else None)
        return update
