import { readFileSync } from "node:fs";

/** What tests/test_viewer_node.py wrote; run the tests through it. */
export const vectors = JSON.parse(readFileSync(process.env.IVID_VECTORS ?? "", "utf8"));
