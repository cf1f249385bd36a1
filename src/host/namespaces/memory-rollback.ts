// Creating a namespace with too little kernel memory. A limit that grows step by step lets the
// creation fail ever later on its way, and each time all of it has to be taken back; and asking for
// sockets without any. Main thread, root.
import { nowMs } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { GO_NAMESPACE, GO_SOCKETS, shortWork } from "./short-orders.js";
import { withShortThread } from "./short-thread.js";

export interface MemoryAttempt {
  readonly limitBytes: number;
  /** 0 when the namespace was made. */
  readonly errno: number;
  readonly milliseconds: number;
}

export interface MemoryResult {
  /** Each with a higher limit than the one before; the last one succeeds. */
  readonly attempts: readonly MemoryAttempt[];
}

const STEP_BYTES = 16_384;
/** A namespace of 6.18 takes some 400 KB. */
const MOST_BYTES = 16 << 20;

/** @returns what was seen, or why it cannot be seen here. */
export async function memoryRollback(signal: AbortSignal): Promise<MemoryResult | string> {
  const work = shortWork([]);
  return withShortThread("netns", work, async ({ limit, run }) => {
    const attempts: MemoryAttempt[] = [];
    for (let limitBytes = 0; !signal.aborted; limitBytes += STEP_BYTES) {
      if (limitBytes > MOST_BYTES) {
        const message = `no namespace could be made with ${MOST_BYTES} bytes of kernel memory`;
        throw new PacketpathError("SYSTEM_CALL", message);
      }
      limit(limitBytes);
      const from = nowMs();
      await run(GO_NAMESPACE);
      const errno = Math.abs(Atomics.load(work.words, 2));
      attempts.push({ limitBytes, errno, milliseconds: nowMs() - from });
      if (errno === 0) break;
    }
    return { attempts };
  });
}

/**
 * Asks for sockets by a thread that gets no kernel memory at all: whatever gets as far as the inode
 * (sock_alloc) fails there, before the family is looked at.
 * @returns 0 or the errno of each call, or why it cannot be seen here.
 */
export async function askWithoutMemory(
  calls: readonly (readonly [family: number, type: number, protocol: number])[],
): Promise<readonly number[] | string> {
  const work = shortWork(calls);
  return withShortThread("sockets", work, async ({ limit, run }) => {
    limit(0);
    await run(GO_SOCKETS);
    return [...work.errnos];
  });
}
