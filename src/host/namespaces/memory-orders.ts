// What the thread with limited memory is told; see memory-worker.ts for the layout.
export const IDLE = 0;
export const GO = 1;
export const STOP = 2;
