// Part of the build: modules on the hot path take the functions that they import from `src/sync`
// over into constants. What an import stands for may change as far as the compiler knows, so it
// checks each call; a constant it trusts, and the primitive is inlined without a trace (measured
// with `packetpath bench sync`, Node 20: 7 to 9 % of a path of 30 accesses). Only tokens are
// inserted, on the line of the import; taking them out gives the source back.

/** Rooms whose code runs per frame, and the benchmark that measures it. */
export const BOUND = /\/src\/(path|datapath|worker|cli\/bench)\/.*\.ts$/;

const IMPORT = /import \{([^}]*)\} from "[./]*\/sync\/(?:index|primitives)\.js";/g;

/** The text of a module with its primitives bound. */
export function bindPrimitives(text) {
  return text.replace(IMPORT, (statement, list) => {
    // Functions begin with a small letter; types and tables do not, or say `type`.
    const names = list.split(",").map((one) => one.trim());
    const functions = names.filter((one) => /^[a-z]\w*$/.test(one));
    if (functions.length === 0) return statement;
    let bound = statement;
    for (const one of functions) {
      bound = bound.replace(new RegExp(`(?<=[{,]\\s*)${one}(?=\\s*[,}])`), `${one} as $${one}`);
    }
    return `${bound} const ${functions.map((one) => `${one} = $${one}`).join(", ")};`;
  });
}
