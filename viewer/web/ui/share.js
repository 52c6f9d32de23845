/** Taking a view away: the camera in the page's address, and screenshots. */

import { download } from "./dom.js";

/** @typedef {import("../viewer.js").Viewer} Viewer */
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
  const pose = { ...home };
  for (const name of FIELDS) {
    const value = Number.parseFloat(given.get(name) ?? "");
    if (Number.isFinite(value)) pose[name] = value;
  }
  pose.pitch = Math.min(Math.max(pose.pitch, -1.4), 1.4);
  pose.radius = Math.min(Math.max(pose.radius, 0.2), 5);
  pose.fov = Math.min(Math.max(pose.fov, 15), 90);
  return pose;
}

export class CameraLink {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.restored = false;
    window.addEventListener("hashchange", this.onHash);
  }

  /** Puts the camera where the address says, once. */
  restore() {
    if (this.restored) return;
    this.restored = true;
    const pose = parsePose(location.hash, this.viewer.controls.home);
    if (pose) this.viewer.controls.jump(pose);
  }

  onHash = () => {
    const pose = parsePose(location.hash, this.viewer.controls.home);
    if (!pose || formatPose(pose) === formatPose(this.viewer.controls.pose())) return;
    this.viewer.controls.fov = pose.fov;
    this.viewer.flyTo(pose);
  };

  /** @param {Pose} pose */
  write(pose) {
    if (!this.restored) return;
    try {
      history.replaceState(history.state, "", `#${formatPose(pose)}`);
    } catch {
      this.restored = false; // some browsers limit how often a page may do this; the link is no longer kept then
    }
  }

  dispose() {
    window.removeEventListener("hashchange", this.onHash);
  }
}

/**
 * The address of this page with the camera in it, copied.
 *
 * @param {Viewer} viewer
 */
export async function copyLink(viewer) {
  const address = `${location.href.split("#")[0]}#${formatPose(viewer.controls.pose())}`;
  try {
    await navigator.clipboard.writeText(address);
    viewer.notices.say("The link to this view is copied");
  } catch {
    viewer.notices.say(`The link to this view: ${address}`);
  }
}

/**
 * The picture without the tools around it, as a PNG.
 *
 * @param {Viewer} viewer
 * @param {number} scale
 */
export async function saveScreenshot(viewer, scale) {
  const blob = await viewer.renderer?.picture(viewer.controls.pose(), scale);
  if (!blob) return null;
  const name = (viewer.manifest?.title || "scene").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  const url = URL.createObjectURL(blob);
  download(url, `${name}.png`);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  viewer.notices.say("The picture is saved");
  return blob;
}
