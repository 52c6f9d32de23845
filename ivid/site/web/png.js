/** PNG files, the part of the format that scene files need. A canvas may change colours by a little; these do not. */

import { zlibSync } from "./vendor/fflate/fflate.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const GREY = 0;
const RGB = 2;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/**
 * @param {Uint8Array} rgb  [S·S·3]
 * @param {number} size  S
 */
export function rgbPng(rgb, size) {
  const stride = 3 * size;
  const rows = new Uint8Array(size * (stride + 1));
  for (let row = 0; row < size; row++) {
    const at = row * (stride + 1);
    rows[at] = 1; // each byte less the one of the pixel before
    for (let k = 0; k < stride; k++) {
      rows[at + 1 + k] = rgb[row * stride + k] - (k < 3 ? 0 : rgb[row * stride + k - 3]);
    }
  }
  return png(size, 8, RGB, rows);
}

/**
 * @param {Uint8Array} mask  [S·S], 0 or not
 * @param {number} size  S
 */
export function maskPng(mask, size) {
  const stride = Math.ceil(size / 8);
  const rows = new Uint8Array(size * (stride + 1));
  for (let k = 0; k < size * size; k++) {
    const column = k % size;
    if (mask[k]) rows[((k - column) / size) * (stride + 1) + 1 + (column >> 3)] |= 128 >> (column & 7);
  }
  return png(size, 1, GREY, rows);
}

/**
 * @param {number} size
 * @param {number} bits
 * @param {number} kind
 * @param {Uint8Array} rows  each with its filter's number before it
 */
function png(size, bits, kind, rows) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, size);
  view.setUint32(4, size);
  header[8] = bits;
  header[9] = kind;
  return joined([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", zlibSync(rows, { level: 6 })),
    chunk("IEND", new Uint8Array()),
  ]);
}

/**
 * @param {string} name
 * @param {Uint8Array} content
 */
function chunk(name, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let k = 0; k < 4; k++) bytes[4 + k] = name.charCodeAt(k);
  bytes.set(content, 8);
  let crc = 0xffffffff;
  for (let k = 4; k < content.length + 8; k++) crc = CRC_TABLE[(crc ^ bytes[k]) & 0xff] ^ (crc >>> 8);
  view.setUint32(content.length + 8, ~crc >>> 0);
  return bytes;
}

/**
 * @param {Uint8Array[]} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
