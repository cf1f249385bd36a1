// A handler of frames for the endpoint's tests: the byte behind an experimental type says what it
// is to do.
export default function makeHandler(context) {
  return {
    receive({ bytes, offset }) {
      if (bytes[offset + 12] !== 0x88 || bytes[offset + 13] !== 0xb5) return;
      const code = bytes[offset + 14];
      if (code === 1) context.requestStop();
      if (code === 2) context.detach();
      if (code === 3) throw new Error("this frame is too much");
    },
  };
}
