/** The scenes made in this browser: whole scene files in IndexedDB, so that they survive the server. */

const KEPT = 24;

/**
 * @typedef {object} Entry
 * @property {string} link  query that makes the scene again; the entry's key
 * @property {string} title
 * @property {string} note
 * @property {string} picture  data URL
 * @property {string} name  of the file
 * @property {Blob} file
 * @property {number} made  milliseconds since 1970
 */

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("ivid", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("scenes", { keyPath: "link" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function within(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction("scenes", mode);
      const request = work(transaction.objectStore("scenes"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @returns {Promise<Entry[]>} the newest first */
export async function entries() {
  const all = await within("readonly", (store) => store.getAll());
  return all.sort((a, b) => b.made - a.made);
}

/** @param {Entry} entry */
export async function add(entry) {
  await within("readwrite", (store) => store.put(entry));
  for (const old of (await entries()).slice(KEPT)) await remove(old.link);
}

/** @param {string} link */
export async function remove(link) {
  await within("readwrite", (store) => store.delete(link));
}
