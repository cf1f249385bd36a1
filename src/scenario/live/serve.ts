// Serves the control socket of a lab, be it `packetpath up`'s or that of a run. Main thread.
import { socketPath } from "../../vswitch/socket/registry.js";
import { serve } from "../../vswitch/socket/server.js";
import type { Lab } from "../lab.js";
import { LabSwitch } from "./switch.js";
import { labTarget } from "./target.js";

/** A lab whose switch can be spoken to. */
export interface ServedLab {
  /** Of the socket. */
  readonly path: string;
  readonly control: LabSwitch;
  /** First nobody can ask for changes any more, then there is nobody to make them. */
  close(): Promise<void>;
}

/**
 * @param path of the socket; without it, where the environment says (`socketPath`).
 * @param onExit is called when a user says `ovs-appctl exit`.
 */
export async function serveLab(lab: Lab, onExit: () => void, path?: string): Promise<ServedLab> {
  const control = new LabSwitch(lab, onExit);
  const env = path === undefined ? process.env : { ...process.env, PACKETPATH_CTL: path };
  try {
    const server = await serve(socketPath(env), labTarget(lab, control));
    const close = async (): Promise<void> => {
      await server.close();
      control.close();
    };
    return { path: server.path, control, close };
  } catch (error) {
    control.close();
    throw error;
  }
}
