// What a step of this folder gives back to the runtime when it may need a second one. Pure.

/** The step is all there is. */
export const FINISHED = 1;
/** The thread goes on with the step that waits. */
export const MUST_WAIT = 0;
/** Added when the primitive is to return true (or 1). */
export const YES = 2;
