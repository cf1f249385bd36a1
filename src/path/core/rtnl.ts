// rtnl_mutex and what unlocking it does. Process context only.
import { ld, mutexLock, mutexUnlock, NULL, st, trace } from "../../sync/index.js";
import { globalWord, KERNEL, type Kernel } from "../kernel.js";
import { EVENT } from "../trace-events.js";
import { netdevRunTodo } from "./todo.js";

/** rtnl_lock(). */
export function rtnlLock(k: Kernel): void {
  mutexLock(k.m, globalWord(k, KERNEL.rtnl));
  trace(k.m, EVENT.rtnlHeld, NULL, 0, 0);
}

/**
 * rtnl_unlock(): drops the lock FIRST, then finishes the devices whose unregistration it ends.
 * Whoever unlocks does that work, and so waits for the last references to those devices.
 */
export function rtnlUnlock(k: Kernel): void {
  const todo = globalWord(k, KERNEL.todoHead);
  const first = ld(k.m, todo);
  st(k.m, todo, NULL);
  trace(k.m, EVENT.rtnlUnlock, NULL, 0, 0);
  mutexUnlock(k.m, globalWord(k, KERNEL.rtnl));
  if (first !== NULL) netdevRunTodo(k, first);
}
