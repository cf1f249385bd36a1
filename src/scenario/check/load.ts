// What must hold of the load: its ends are namespaces with addresses that can reach each other.
// Also resolves names to addresses. Pure; any thread.
import { isIP } from "node:net";
import type { ScenarioText } from "../schema.js";
import type { Path, Problems } from "../text/problems.js";
import { type Cidr, inSubnet, overlap, parseCidr } from "./addresses.js";
import { checkNamespaceName } from "./ports.js";

type Text = Pick<ScenarioText, "namespaces" | "ports" | "balancer" | "load">;

/** The port that HTTP servers listen on by default. */
export const HTTP_PORT = 8080;

interface Ends {
  readonly from: string;
  readonly to: string;
}

export function checkLoad(text: Text, problems: Problems): void {
  const { http, bystander, flood, ping } = text.load;
  if (http !== undefined) {
    checkHttpTarget(http, text, problems);
    const hold = http.holdUntilInFlight;
    if (hold > http.requests) {
      const limit = `there are only ${http.requests} requests`;
      problems.add(
        ["load", "http", "holdUntilInFlight"],
        `${hold} can never be in flight: ${limit}`,
      );
    } else if (http.concurrency > 0 && hold > http.concurrency) {
      const limit = `concurrency is ${http.concurrency}`;
      problems.add(
        ["load", "http", "holdUntilInFlight"],
        `${hold} can never be in flight: ${limit}`,
      );
    }
  }
  if (bystander !== undefined) {
    checkServed(bystander, ["load", "bystander"], text, problems);
    const port = http?.port ?? HTTP_PORT;
    if (http !== undefined && http.to === bystander.to && port === bystander.port) {
      const taken = `port ${port} in "${http.to}" serves load.http`;
      problems.add(["load", "bystander", "port"], taken);
    }
  }
  flood.forEach((one, index) => checkTarget(one, ["load", "flood", index], text, problems));
  ping.forEach((one, index) => checkTarget(one, ["load", "ping", index], text, problems));
}

type Http = NonNullable<Text["load"]["http"]>;

function serviceOf(name: string, text: Pick<Text, "balancer">) {
  return text.balancer?.services.find((service) => service.name === name);
}

function checkHttpTarget(http: Http, text: Text, problems: Problems): void {
  const path = ["load", "http"];
  const service = text.namespaces.includes(http.to) ? undefined : serviceOf(http.to, text);
  if (service === undefined) checkServed(http, path, text, problems);
  else if (checkNamespaceName(http.from, text.namespaces, [...path, "from"], problems)) {
    checkService(http, service, text, problems);
  }
  if (http.sources === 0) return;
  const target = targetAddress(http, text);
  const has = target === null ? 0 : sourcesOf(http, target, text).length;
  if (has >= http.sources) return;
  const of = `"${http.from}" has ${has} addresses for this target`;
  problems.add([...path, "sources"], `${http.sources} are more than there are: ${of}`);
}

function checkService(
  http: Http,
  service: NonNullable<ReturnType<typeof serviceOf>>,
  text: Text,
  problems: Problems,
): void {
  const path = ["load", "http"];
  if (service.protocol !== "tcp") {
    problems.add([...path, "to"], `service "${http.to}" is ${service.protocol}, HTTP needs tcp`);
  }
  if (http.port !== undefined) {
    problems.add([...path, "port"], `service "${http.to}" has its own port, ${service.port}`);
  }
  if (http.holdUntilInFlight > 0) {
    const why = "the servers of a service do not hold answers for one another";
    problems.add([...path, "holdUntilInFlight"], why);
  }
  const own = addressesOf(http.from, text);
  const hasRoute = text.ports.some(
    ({ namespace, gateways }) => namespace === http.from && gateways.length > 0,
  );
  if (!hasRoute && !own.some((cidr) => inSubnet(cidr, service.address))) {
    problems.add(
      [...path, "to"],
      `"${service.address}" is in no subnet of namespace "${http.from}"`,
    );
  }
}

/** HTTP: both ends are namespaces, and the switch lies between them. */
function checkServed(ends: Ends, path: Path, text: Text, problems: Problems): void {
  const known = checkNamespaceName(ends.to, text.namespaces, [...path, "to"], problems);
  if (!checkNamespaceName(ends.from, text.namespaces, [...path, "from"], problems)) return;
  if (known) checkReachable(ends, path, text, problems);
}

/** Flood and ping: `to` may be an address too, even one that nobody has. */
function checkTarget(ends: Ends, path: Path, text: Text, problems: Problems): void {
  if (!checkNamespaceName(ends.from, text.namespaces, [...path, "from"], problems)) return;
  if (isIP(ends.to) === 0) {
    if (checkNamespaceName(ends.to, text.namespaces, [...path, "to"], problems)) {
      checkReachable(ends, path, text, problems);
    }
    return;
  }
  const near = addressesOf(ends.from, text).some((cidr) => inSubnet(cidr, ends.to));
  if (!near) {
    problems.add([...path, "to"], `"${ends.to}" is in no subnet of namespace "${ends.from}"`);
  }
}

function checkReachable(ends: Ends, path: Path, text: Text, problems: Problems): void {
  if (ends.from === ends.to) {
    problems.add([...path, "to"], `"${ends.to}" is "from" too: nothing would cross the switch`);
    return;
  }
  for (const end of ["from", "to"] as const) {
    if (addressesOf(ends[end], text).length > 0) continue;
    problems.add([...path, end], `no port in namespace "${ends[end]}" has an address`);
    return;
  }
  if (targetAddress(ends, text) === null) {
    problems.add([...path, "to"], `"${ends.from}" and "${ends.to}" share no subnet`);
  }
}

function addressesOf(namespace: string, text: Pick<Text, "ports">): Cidr[] {
  const texts = text.ports
    .filter((port) => port.namespace === namespace)
    .flatMap((port) => port.addresses);
  return texts.map(parseCidr).filter((cidr) => typeof cidr !== "string");
}

/** Addresses of `from` of the target's IP version, without prefix, in the file's order. */
export function sourcesOf(
  { from }: Pick<Ends, "from">,
  target: string,
  text: Pick<Text, "ports">,
): string[] {
  const own = addressesOf(from, text).filter(({ family }) => family === isIP(target));
  return own.map(({ address }) => address);
}

/** The address by which `from` reaches `to` (a namespace or an address); null if it cannot. */
export function targetAddress(
  ends: Ends,
  text: Pick<Text, "ports"> & Partial<Pick<Text, "balancer" | "namespaces">>,
): string | null {
  if (isIP(ends.to) !== 0) return ends.to;
  if (!(text.namespaces?.includes(ends.to) ?? true)) {
    const service = text.balancer?.services.find(({ name }) => name === ends.to);
    if (service !== undefined) return service.address;
  }
  const near = addressesOf(ends.from, text);
  const shared = addressesOf(ends.to, text).find((to) => near.some((from) => overlap(from, to)));
  return shared?.address ?? null;
}
