/** Scenes kept in this browser: whole scene files in IndexedDB, so that they survive the server. */

const KEPT = 24;
const SCENES = "scenes"; // generated here
const OPENED = "opened"; // files that were opened, by when
const KEPT_OPENED = 6;
const OPENED_LAST = "ivid-opened"; // key of the file that this tab opened last, in the session's storage

/**
 * @typedef {object} Entry
 * @property {string} link  names the scene: the same for the same scene, finished or not
 * @property {string} title
 * @property {string} note
 * @property {string} picture  data URL
 * @property {string} name  of the file
 * @property {Blob} file
 * @property {number} [views]  that are made; all where this is missing
 * @property {number} [planned]  that the scene has when it is finished
 * @property {number} made  milliseconds since 1970
 */

/** @param {Entry} entry */
export function isUnfinished({ views, planned }) {
  return views !== undefined && planned !== undefined && views < planned;
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("ivid", 2);
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) request.result.createObjectStore(SCENES, { keyPath: "link" });
      if (oldVersion < 2) request.result.createObjectStore(OPENED);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {string} name  of the store
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function within(name, mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(name, mode);
      const request = work(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @returns {Promise<Entry[]>} the newest first */
export async function entries() {
  const all = await within(SCENES, "readonly", (store) => store.getAll());
  return all.sort((a, b) => b.made - a.made);
}

/**
 * @param {string} link
 * @returns {Promise<Entry | undefined>}
 */
export function find(link) {
  return within(SCENES, "readonly", (store) => store.get(link));
}

/**
 * Keeps a scene, unless more of it is kept already.
 *
 * @param {Entry} entry
 */
export async function add(entry) {
  const before = await find(entry.link);
  if (before && (before.views ?? Infinity) > (entry.views ?? Infinity)) return;
  await within(SCENES, "readwrite", (store) => store.put(entry));
  for (const old of (await entries()).slice(KEPT)) await remove(old.link);
}

/** @param {string} link */
export async function remove(link) {
  await within(SCENES, "readwrite", (store) => store.delete(link));
}

/**
 * Keeps the file that this tab has opened. Each file has a key of its own: a tab that another one opens begins with
 * a copy of the session's storage, and must not write over the other's file.
 *
 * @param {Blob} file
 * @param {string} name
 */
export async function keepOpened(file, name) {
  const key = `${Date.now()} ${Math.random()}`; // keys grow, so that the oldest comes first
  sessionStorage.setItem(OPENED_LAST, key);
  await within(OPENED, "readwrite", (store) => store.put({ name, file }, key));
  const keys = await within(OPENED, "readonly", (store) => store.getAllKeys());
  for (const old of keys.slice(0, -KEPT_OPENED)) await within(OPENED, "readwrite", (store) => store.delete(old));
}

/** @returns {Promise<{name: string, file: Blob} | null>} the file that this tab opened last */
export async function opened() {
  const key = sessionStorage.getItem(OPENED_LAST);
  return (key && (await within(OPENED, "readonly", (store) => store.get(key)))) || null;
}
