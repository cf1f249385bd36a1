// Whose settings a new network namespace begins with: net.core.devconf_inherit_init_net, as
// devinet_init_net and addrconf_init_net read it (net/ipv4/devinet.c, net/ipv6/addrconf.c, 5.10 and
// later). Data; any thread.

/** The first namespace, the one that it is made from, or what is compiled in. */
export type SettingsSource = "init_net" | "parent" | "defaults";

export interface Inheritance {
  readonly value: number;
  readonly ipv4: SettingsSource;
  readonly ipv6: SettingsSource;
}

/** By the value of the sysctl; 0 is what kernels come with. */
export const INHERITANCE: readonly Inheritance[] = [
  { value: 0, ipv4: "init_net", ipv6: "defaults" },
  { value: 1, ipv4: "init_net", ipv6: "init_net" },
  { value: 2, ipv4: "defaults", ipv6: "defaults" },
  { value: 3, ipv4: "parent", ipv6: "parent" },
];
