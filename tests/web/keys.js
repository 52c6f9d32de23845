/** The table of controls and keys in docs/controls.md, made from the viewer's code: `npm run keys` prints it. */

import { fileURLToPath } from "node:url";
import { COMMANDS, keyNames, MOTIONS } from "../../viewer/web/ui/commands.js";

export function keysTable() {
  const commands = COMMANDS.map(({ label, does, keys }) => [label, keyNames(keys), does]);
  const rows = [...MOTIONS.map(({ keys, does }) => ["the picture", keys, does]), ...commands];
  return ["| control | keys | what it does |", "|---|---|---|", ...rows.map((row) => `| ${row.join(" | ")} |`)].join(
    "\n",
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(keysTable());
