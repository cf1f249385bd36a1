// What is wrong with what a program file exports, as an error. Pure; any thread.
import { PacketpathError } from "../../base/errors.js";

export function invalid(file: string, message: string, oneOf?: string): PacketpathError {
  return new PacketpathError("PROGRAM_INVALID", message, {
    place: { file },
    ...(oneOf === undefined ? {} : { fix: `Use one of ${oneOf}.` }),
  });
}
