// The tables and columns of the configuration database that are kept: those of Open vSwitch's
// schema (vswitchd/vswitch.ovsschema, 3.1) that a switch without tunnels, controllers and quality
// of service can have. Data; any thread.

export type AtomType = "string" | "integer" | "boolean" | "uuid";

export interface Column {
  readonly key: AtomType;
  /** Present: the column is a map. */
  readonly value?: AtomType;
  readonly min: 0 | 1;
  /** Infinity: any number. */
  readonly max: number;
  /** Allowed strings; absent: all. */
  readonly oneOf?: readonly string[];
  /** Allowed integers. */
  readonly range?: readonly [number, number];
  /** Of a column with min 1, what a new row has. */
  readonly initial?: string | number | boolean;
  /** The switch writes it; users may read. */
  readonly ephemeral?: boolean;
}

const scalar = (key: AtomType, initial: string | number | boolean): Column => ({
  key,
  min: 1,
  max: 1,
  initial,
});
const optional = (key: AtomType, more: Partial<Column> = {}): Column => {
  return { key, min: 0, max: 1, ...more };
};
const set = (key: AtomType, more: Partial<Column> = {}): Column => {
  return { key, min: 0, max: Infinity, ...more };
};
const MAP: Column = { key: "string", value: "string", min: 0, max: Infinity };
const STATE: Column = optional("string", { ephemeral: true });
const VLAN = { range: [0, 4095] as const };

export const TABLES = {
  Open_vSwitch: {
    bridges: set("uuid"),
    external_ids: MAP,
    other_config: MAP,
    ovs_version: optional("string"),
  },
  Bridge: {
    datapath_id: STATE,
    datapath_type: scalar("string", ""),
    datapath_version: scalar("string", ""),
    external_ids: MAP,
    fail_mode: optional("string", { oneOf: ["standalone", "secure"] }),
    flood_vlans: set("integer", VLAN),
    mcast_snooping_enable: scalar("boolean", false),
    mirrors: set("uuid"),
    name: scalar("string", ""),
    other_config: MAP,
    ports: set("uuid"),
    protocols: set("string"),
    rstp_enable: scalar("boolean", false),
    stp_enable: scalar("boolean", false),
  },
  Port: {
    cvlans: set("integer", VLAN),
    external_ids: MAP,
    interfaces: set("uuid"),
    mac: optional("string"),
    name: scalar("string", ""),
    other_config: MAP,
    protected: scalar("boolean", false),
    tag: optional("integer", VLAN),
    trunks: set("integer", VLAN),
    vlan_mode: optional("string", {
      oneOf: ["trunk", "access", "native-tagged", "native-untagged", "dot1q-tunnel"],
    }),
  },
  Interface: {
    admin_state: STATE,
    error: STATE,
    external_ids: MAP,
    ifindex: optional("integer", { ephemeral: true }),
    link_state: STATE,
    mac: optional("string"),
    mac_in_use: STATE,
    mtu: optional("integer", { ephemeral: true }),
    mtu_request: optional("integer"),
    name: scalar("string", ""),
    ofport: optional("integer", { ephemeral: true }),
    ofport_request: optional("integer", { range: [1, 65279] }),
    options: MAP,
    other_config: MAP,
    statistics: { key: "string", value: "integer", min: 0, max: Infinity, ephemeral: true },
    status: MAP,
    type: scalar("string", ""),
  },
  Mirror: {
    external_ids: MAP,
    name: scalar("string", ""),
    output_port: optional("uuid"),
    output_vlan: optional("integer", { range: [1, 4095] }),
    select_all: scalar("boolean", false),
    select_dst_port: set("uuid"),
    select_src_port: set("uuid"),
    select_vlan: set("integer", VLAN),
    snaplen: optional("integer", { range: [14, 65535] }),
    statistics: { key: "string", value: "integer", min: 0, max: Infinity, ephemeral: true },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Column>>>>;

export type TableName = keyof typeof TABLES;

export const TABLE_NAMES = Object.keys(TABLES) as TableName[];

export function columnsOf(table: TableName): Readonly<Record<string, Column>> {
  return TABLES[table];
}
