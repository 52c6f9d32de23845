/** The shapes of what the generator reads and passes on; the site's command writes the manifest. */

/** @typedef {{file: string, bytes: number, sha256: string}} Part */
/**
 * @typedef {object} NetworkEntry
 * @property {{sample_size: number, in_channels: number, out_channels: number, num_class_embeds: number | null}} config
 * @property {Part} graph
 * @property {{path: string, bytes: number, parts: Part[]}} weights
 */
/** @typedef {{world_to_view: number[], fov_y_deg: number}} CameraEntry  the matrix row by row */
/**
 * @typedef {object} Schedule
 * @property {number} num_train_timesteps
 * @property {string} [beta_schedule]
 * @property {number} [beta_start]
 * @property {number} [beta_end]
 * @property {number[]} [trained_betas]
 * @property {number} [noise_shift]
 */
/** @typedef {{rgb: number, depth: number, floor: number, last_rgb: number}} Blending */
/**
 * @typedef {object} DepthConfig
 * @property {[number, number]} range
 * @property {number} edge_threshold
 * @property {boolean} mask_discontinuities
 * @property {number} snap_to_far
 * @property {number | null} flying_pixel_threshold
 * @property {number | null} first_smoothing
 * @property {number | null} further_smoothing
 * @property {number} decontamination_px
 * @property {number | null} erosion_radius
 */
/**
 * @typedef {object} LabelConfig
 * @property {string[]} classes
 * @property {number[][] | null} instances
 * @property {string[]} instance_names
 * @property {boolean} novel_instances
 * @property {boolean} horizontal_flip
 */
/**
 * @typedef {object} ModelConfig  see `ivid.pipeline.config`
 * @property {string} name
 * @property {Schedule} schedule
 * @property {"epsilon" | "v_prediction" | "sample"} prediction_type
 * @property {{first_steps: number, novel_steps: number, guidance: number, novel_guidance: number | null,
 *   first_sampler: string, novel_sampler: string}} sampling
 * @property {DepthConfig} depth
 * @property {Blending} blending
 * @property {LabelConfig} labels
 * @property {{start: number, guess_weight: number}} refiner
 * @property {number} novel_view_trust
 * @property {boolean} consistency
 * @property {boolean} novel_view_noise
 * @property {boolean} novel_view_mirroring
 */
/**
 * @typedef {object} Manifest
 * @property {ModelConfig} config
 * @property {number} size  S of the views, in pixels
 * @property {Record<string, NetworkEntry>} networks
 * @property {Record<string, {cameras: CameraEntry[]}>} view_sets
 */
/**
 * @typedef {object} View  a picture with metric depth and its camera, see `ivid.scene.View`
 * @property {number} size  S
 * @property {Float32Array} rgb  [S·S·3] in [0, 1]
 * @property {Float32Array} depth  [S·S] metres
 * @property {CameraEntry} camera
 * @property {number} edgeThreshold
 * @property {number} trust
 * @property {Uint8Array | null} mask  [S·S], 0 for pixels that are left out
 */
/**
 * @typedef {object} Condition  what is known of a new view, see `ivid.scene.condition`
 * @property {Float32Array} rgb  [3·S·S] in [0, 1], 0 outside `maskRgb`
 * @property {Float32Array} depth  [S·S], z-buffer values in [0, 1], 0 outside `mask`
 * @property {Uint8Array} mask  [S·S]
 * @property {Uint8Array} maskRgb  [S·S]
 * @property {Float32Array} depthFloor  [S·S]
 * @property {Float32Array} trusted  [S·S], how much of each pixel views of full trust show, from 0 to 1
 */

export {};
