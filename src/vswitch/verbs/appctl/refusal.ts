// How ovs-appctl says no. Main thread.
import { VerbError } from "../call.js";

/** What ovs-appctl prints when the daemon refuses: the daemon's text, then its own line. */
export class Refusal extends VerbError {
  constructor(text: string) {
    const line = text.endsWith("\n") ? text : `${text}\n`;
    const own = "ovs-appctl: ovs-vswitchd: server returned an error\n";
    super(text, { exitCode: 2, whole: `${line}${own}` });
  }
}
