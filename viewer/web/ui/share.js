/** Taking a view away: the camera in the page's address, and pictures. */

import { readPose } from "../camera.js";
import { download } from "./dom.js";

/** @typedef {import("../camera.js").Pose} Pose */

const FIELDS = /** @type {(keyof Pose)[]} */ (["yaw", "pitch", "radius", "x", "y", "z", "fov"]);

/**
 * @param {Pose} pose
 * @returns {string} such as "yaw=0.3&pitch=-0.1&radius=1"
 */
export function formatPose(pose) {
  const parts = FIELDS.filter((name) => !(name.length === 1 && Math.abs(pose[name]) < 5e-4));
  return parts.map((name) => `${name}=${Number(pose[name].toFixed(3))}`).join("&");
}

/**
 * @param {string} text  the part of an address behind "#"
 * @param {Pose} home  for what it leaves out
 * @returns {Pose | null}  null if it names no camera
 */
export function parsePose(text, home) {
  const given = new URLSearchParams(text.replace(/^#/, ""));
  if (!FIELDS.some((name) => given.has(name))) return null;
  const numbers = Object.fromEntries(FIELDS.map((name) => [name, Number.parseFloat(given.get(name) ?? "")]));
  return { ...home, ...readPose(numbers) };
}

/**
 * An address's part behind "#" with another camera in it; what else it says stays.
 *
 * @param {string} hash
 * @param {Pose} pose
 */
function withPose(hash, pose) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  for (const name of FIELDS) given.delete(name);
  return `#${given.size ? `${given}&` : ""}${formatPose(pose)}`;
}

/** Keeps the camera in the page's address. */
export class CameraLink {
  /**
   * @param {import("../input/orbit_controls.js").OrbitControls} controls
   * @param {() => void} onMove  the address changed, and the camera is on its way
   */
  constructor(controls, onMove) {
    this.controls = controls;
    this.onMove = onMove;
    this.restored = false;
    window.addEventListener("hashchange", this.onHash);
  }

  /** Puts the camera where the address says, once. */
  restore() {
    if (this.restored) return;
    this.restored = true;
    const pose = parsePose(location.hash, this.controls.home);
    if (pose) this.controls.jump(pose);
  }

  onHash = () => {
    const pose = parsePose(location.hash, this.controls.home);
    if (!pose || formatPose(pose) === formatPose(this.controls.pose())) return;
    this.controls.flyTo(pose);
    this.onMove();
  };

  /** @param {Pose} pose */
  write(pose) {
    if (!this.restored) return;
    try {
      history.replaceState(history.state, "", withPose(location.hash, pose));
    } catch {
      this.restored = false; // some browsers limit how often a page may do this; the link is no longer kept then
    }
  }

  dispose() {
    window.removeEventListener("hashchange", this.onHash);
  }
}

/**
 * Copies the address of this page with the camera in it.
 *
 * @param {Pose} pose
 * @returns {Promise<string>} what to tell the person
 */
export async function copyLink(pose) {
  const address = location.href.split("#")[0] + withPose(location.hash, pose);
  try {
    await navigator.clipboard.writeText(address);
    return "The link to this view is copied";
  } catch {
    return `The link to this view: ${address}`;
  }
}

/**
 * @param {Blob} picture  a PNG
 * @param {string} title  of the scene, for the file's name
 */
export function savePicture(picture, title) {
  const name = (title || "scene").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  const url = URL.createObjectURL(picture);
  download(url, `${name}.png`);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
