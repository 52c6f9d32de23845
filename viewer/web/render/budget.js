/** How much to draw, learnt from how long drawing takes. */

/** Views blended while moving, and the share of the full resolution they are drawn at; the cheapest first. */
const LEVELS = [
  { views: 2, scale: 0.5 },
  { views: 3, scale: 0.5 },
  { views: 3, scale: 0.625 },
  { views: 3, scale: 0.75 },
  { views: 4, scale: 0.75 },
  { views: 4, scale: 1 },
  { views: 5, scale: 1 },
  { views: 6, scale: 1 },
  { views: 8, scale: 1 },
];
const SMOOTH = 5; // levels above this are worth having at 60 frames a second only
const STILL_MS = 2500;

export class Budget {
  /** @param {boolean} software  whether the processor draws, not a graphics card */
  constructor(software) {
    this.software = software;
    this.level = software ? 4 : 6;
    this.late = 0;
    this.early = 0;
    this.ceiling = LEVELS.length - 1;
    this.fallen = 0; // frames since the ceiling came down
  }

  current() {
    return LEVELS[this.level];
  }

  /**
   * @param {number} ms  a moving frame took, from its first command until the card was done
   */
  observeFrame(ms) {
    const slow = this.level > SMOOTH ? 20 : 64;
    const quick = this.level >= SMOOTH ? 17.5 : 38;
    this.late = ms > slow ? this.late + (ms > 2 * slow ? 2 : 1) : 0;
    this.early = ms < quick ? this.early + 1 : 0;
    if (++this.fallen > 600) this.ceiling = LEVELS.length - 1;
    if (this.late > 3 && this.level > 0) {
      this.change(-1);
      this.ceiling = this.level; // and stay there for a while: going up and down would show
      this.fallen = 0;
    } else if (this.early > 20 && this.level < this.ceiling) this.change(1);
  }

  /** @param {number} step */
  change(step) {
    this.level += step;
    this.late = this.early = 0;
  }

  /**
   * Samples a side for a still picture.
   *
   * @param {number} ms  one sample a pixel took
   */
  samples(ms) {
    return ms * 25 < STILL_MS ? 5 : ms * 9 < STILL_MS ? 3 : 1;
  }
}
