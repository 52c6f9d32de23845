/** Fetches a model's files with progress, checks them by their hash and keeps them in the browser's Cache API. */

import { unpacked } from "./packing.js";

const CACHE = "ivid-parts";

/**
 * A file of known content, from the browser's cache, or else from the server, which sends it packed.
 *
 * One that arrives damaged is fetched once more, past all caches.
 *
 * @param {string} url
 * @param {string} sha256  of the content, in hexadecimal digits
 * @param {(loaded: number) => void} [onProgress]  called with the packed bytes that are here so far; a second try starts
 *   again at 0
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {Error} one sentence: the file cannot be fetched, or is damaged a second time
 */
export async function fetchPart(url, sha256, onProgress = () => {}) {
  const cache = await openCache();
  const kept = await cache?.match(url);
  if (kept) {
    const content = new Uint8Array(await kept.arrayBuffer());
    if ((await digest(content)) === sha256) return content;
    await cache?.delete(url);
  }
  for (const how of /** @type {RequestCache[]} */ (["default", "reload"])) {
    onProgress(0);
    const content = await download(url, how, onProgress);
    if (!content || (await digest(content)) !== sha256) continue;
    await keep(cache, url, content);
    return content;
  }
  throw new Error(`${nameOf(url)} arrives damaged from the server; nothing of it is used.`);
}

/**
 * Forgets what earlier visits kept and `urls` do not name.
 *
 * @param {string[]} urls
 */
export async function keepOnly(urls) {
  const cache = await openCache();
  if (!cache) return;
  const wanted = new Set(urls);
  for (const { url } of await cache.keys()) if (!wanted.has(url)) await cache.delete(url);
}

/** The cache, or null where the browser has none: on pages without TLS, and in some private windows. */
async function openCache() {
  if (!("caches" in globalThis)) return null;
  return caches.open(CACHE).catch(() => null);
}

/**
 * @param {string} url
 * @param {RequestCache} how
 * @param {(loaded: number) => void} onProgress
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>} null if it is too damaged to be unpacked
 */
async function download(url, how, onProgress) {
  let response;
  try {
    response = await fetch(url, { cache: how });
  } catch {
    throw new Error(`${nameOf(url)} cannot be fetched: the server does not answer.`);
  }
  if (!response.ok) throw new Error(`${nameOf(url)} cannot be fetched: the server answers ${response.status}.`);
  if (!response.body) throw new Error(`${nameOf(url)} arrives empty from the server.`);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const chunks = [];
  let loaded = 0;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      loaded += value.byteLength;
      onProgress(loaded);
    }
  } catch {
    throw new Error(`${nameOf(url)} cannot be fetched: the connection broke.`);
  }
  return unpacked(new Blob(chunks).stream()).catch(() => null);
}

/**
 * @param {Cache | null} cache
 * @param {string} url
 * @param {Uint8Array<ArrayBuffer>} content
 */
async function keep(cache, url, content) {
  try {
    await cache?.put(url, new Response(content, { headers: { "Content-Length": String(content.byteLength) } }));
  } catch (error) {
    console.warn(`${nameOf(url)} is not kept for the next visit:`, error); // no room is left
  }
}

/** @param {Uint8Array<ArrayBuffer>} content */
async function digest(content) {
  if (!crypto.subtle)
    throw new Error("This page must be opened by https, or from this machine, for its files to be checked.");
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} url */
function nameOf(url) {
  return decodeURIComponent(new URL(url).pathname.split("/").pop() ?? url);
}
