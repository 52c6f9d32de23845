/** The service worker: the page works offline after the first visit, and gets threads where the server's headers allow none. */

const RELOADED = "ivid-reloaded";
const PATIENCE_MS = 15_000;

/**
 * Starts the service worker and waits until it serves this page, so that what the page fetches from then on is kept.
 * Where the page has no threads yet, it is loaded once more: this time with the headers that the worker adds.
 *
 * @returns {Promise<void>} never, when the page is about to be loaded again
 */
export async function stayOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(new URL("../../../service_worker.js", import.meta.url), {
      updateViaCache: "none",
    });
    await controlled();
  } catch (error) {
    console.warn("The page will not open offline:", error);
    return;
  }
  if (globalThis.crossOriginIsolated || !navigator.serviceWorker.controller || sessionStorage.getItem(RELOADED)) return;
  sessionStorage.setItem(RELOADED, "once");
  location.reload();
  await new Promise(() => {});
}

function controlled() {
  const { serviceWorker } = navigator;
  if (serviceWorker.controller) return;
  return new Promise((done) => {
    serviceWorker.addEventListener("controllerchange", done, { once: true });
    setTimeout(done, PATIENCE_MS);
  });
}
