// Part of the build: modules on the hot path take the functions and tables that they import from
// this project over into constants. What an import stands for may change as far as the compiler
// knows, so it checks each call and loads each number; a constant it trusts, and it inlines the
// function and the number without a trace (measured, Node 20: 7 to 9 % of a path of 30 accesses
// with `packetpath bench sync`, 14 % of a frame that the exact-match cache knows). Only tokens are
// inserted, on the line of the import; taking them out gives the source back.
//
// Files of `src/path` import each other in circles, as the kernel's do. A constant would be read
// there before it has its value; of those imports only the ones of `src/sync` are bound.

/**
 * Rooms whose code runs per frame or per step of a search, and the benchmarks that measure it. A
 * search of all traces takes a fifth less time, `packetpath bench explore`.
 */
export const BOUND = new RegExp(
  "/src/(path|wire|flow|classifier|datapath|worker|cli/bench|explore/(search|states|reduced))/" +
    ".*\\.ts$",
);

const IMPORT = /import \{([^}]*)\} from "\.[^"]*\.js";/g;

/** Functions and tables; classes and types are neither, and of `type` imports nothing is left. */
const BINDABLE = /^([a-z]\w*|[A-Z][A-Z0-9_]+)$/;

/** The text of the module at `path` with its imports bound. */
export function bindPrimitives(text, path) {
  const circular = path.includes("/src/path/");
  return text.replace(IMPORT, (statement, list) => {
    if (circular && !statement.includes("/sync/")) return statement;
    const names = list.split(",").map((one) => one.trim());
    const bindable = names.filter((one) => BINDABLE.test(one));
    if (bindable.length === 0) return statement;
    let bound = statement;
    for (const one of bindable) {
      bound = bound.replace(new RegExp(`(?<=[{,]\\s*)${one}(?=\\s*[,}])`), `${one} as $${one}`);
    }
    return `${bound} const ${bindable.map((one) => `${one} = $${one}`).join(", ")};`;
  });
}
