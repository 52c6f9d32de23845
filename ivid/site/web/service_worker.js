/**
 * Keeps the page in the browser, and serves it from there with the headers that give WebAssembly threads.
 *
 * `ivid site` writes a line above these, with the site's version and the files of its page. The networks are kept by
 * `download.js`, the runtime of the networks as it is fetched.
 */

// @ts-nocheck: a service worker has another global scope than the page

const { version, files } = self.IVID_SITE;
const PREFIX = "ivid-site-";
const CACHE = PREFIX + version;
const ROOT = new URL("./", self.location.href).href;
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
};
const ISOLATING = ["document", "iframe", "worker", "sharedworker"];

self.addEventListener("install", (event) => {
  event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

self.addEventListener("fetch", (event) => {
  const { method, url, cache, mode } = event.request;
  const path = url.startsWith(ROOT) ? url.slice(ROOT.length).split(/[?#]/)[0] : null;
  if (method !== "GET" || path === null || (cache === "only-if-cached" && mode !== "same-origin")) return;
  event.respondWith(respond(event.request, path));
});

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(files.map((file) => new Request(ROOT + file, { cache: "no-cache" })));
  await self.skipWaiting();
}

async function activate() {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function respond(request, path) {
  const cache = await caches.open(CACHE);
  const address = ROOT + (path || "index.html");
  const kept = await cache.match(address);
  if (kept) return isolated(request, kept);
  const response = await fetch(request);
  if (response.status === 200 && path.startsWith("vendor/")) await cache.put(address, response.clone());
  return isolated(request, response);
}

/**
 * Pages and workers with the headers; the rest as it is, so that browsers use what they compiled of it before.
 *
 * @param {Request} request
 * @param {Response} response
 */
function isolated(request, response) {
  if (!ISOLATING.includes(request.destination)) return response;
  if (response.status === 0 || response.type === "opaque") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  const bodiless = [101, 204, 205, 304].includes(response.status);
  return new Response(bodiless ? null : response.body, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}
