// Module hooks of threads that repeat a schedule of the kernel path: files of the package are
// loaded as they are shipped, but for the primitives, which are replaced. Node's hooks thread.
import type { InitializeHook, ResolveHook } from "node:module";

let replaced: Readonly<Record<string, string>> = {};

/** @param data URLs of files, and of the files that stand in for them. */
export const initialize: InitializeHook<Readonly<Record<string, string>>> = (data) => {
  replaced = data;
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  const found = await next(specifier, context);
  const other = replaced[found.url];
  return other === undefined ? found : { ...found, url: other };
};
