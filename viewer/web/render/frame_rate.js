/** How often a picture is drawn, in words. */

const EVERY_MS = 500;

export class FrameRate {
  constructor() {
    this.at = 0;
    this.frames = 0;
    this.text = "";
  }

  /**
   * @param {import("./renderer.js").Renderer} renderer
   * @param {number} now  milliseconds
   */
  read(renderer, now) {
    if (now - this.at < EVERY_MS) return this.text;
    const rate = ((renderer.frames - this.frames) * 1000) / (now - this.at);
    const { views, scale } = renderer.budget.current();
    const moving = `${Math.round(rate)} fps · ${views} views${scale < 1 ? ` · ${Math.round(scale * 100)} %` : ""}`;
    if (this.at) this.text = rate < 0.5 ? "still" : moving;
    [this.at, this.frames] = [now, renderer.frames];
    return this.text;
  }
}
