// Actions that Open vSwitch has and this switch does not do, as rows: they can be told, and sent on
// as they came (lib/ofp-actions.c, lib/multipath.c, lib/bundle.c of Open vSwitch 3.1). Any thread.
import { OFPP } from "../../../flow/types.js";
import { formatPort, isOutputPort } from "../../text/ports.js";
import { formatSubField } from "../../text/subfield.js";
import { type ByteReader, ByteWriter } from "../bytes.js";
import { fieldOfHeader, targetOf, unpackRange } from "./fields.js";
import {
  type ActionContext,
  type ActionRow,
  argumentRow,
  exactRow,
  type ForeignAction,
  isForeign,
  openRow,
  refuse,
} from "./row.js";

const BAD = "OFPBAC_BAD_ARGUMENT";

/** What a hash is made of (flow_hash_fields_to_str), and by what a link or a member is chosen. */
const HASH_FIELDS = [
  ...["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst"],
  "symmetric_l3",
];
const LINK_CHOICES = ["modulo_n", "hash_threshold", "hrw", "iter_hash"];
const MEMBER_CHOICES = ["active_backup", "hrw"];
const UNKNOWN = "<unknown>";
const MEMBERS_MAX = 2048;
/** The header of NXM_OF_IN_PORT: members are ports. */
const PORT_HEADER = 2;

function foreign(text: string, write: (out: ByteWriter) => void): ForeignAction {
  const out = new ByteWriter();
  write(out);
  return { type: "foreign", text, body: out.done() };
}

function foreignRow(
  name: string,
  headers: string,
  length: { readonly exact: number } | { readonly least: number },
  decode: (reader: ByteReader, context: ActionContext) => ForeignAction,
): ActionRow {
  const body = {
    decode,
    takes: isForeign,
    encode: (action: ForeignAction, out: ByteWriter) => out.bytes(action.body),
  };
  if ("exact" in length) return exactRow(name, headers, length.exact, body);
  return openRow(name, headers, length.least, body);
}

const nameIn = (names: readonly string[], index: number): string => names[index] ?? refuse(BAD);

function multipath(reader: ByteReader, { warn }: ActionContext): ForeignAction {
  const [fields, basis] = [reader.number(2), reader.number(2)];
  reader.skip(2);
  const [choice, lastLink, argument] = [reader.number(2), reader.number(2), reader.number(4)];
  reader.skip(2);
  const [range, header] = [reader.number(2), reader.number(4)];
  const target = targetOf(fieldOfHeader(header), unpackRange(range), warn);
  if (2 ** target.width < lastLink + 1) refuse(BAD);
  const names = [nameIn(HASH_FIELDS, fields), basis, nameIn(LINK_CHOICES, choice)];
  const text = [...names, lastLink + 1, argument, formatSubField(target)].join(",");
  return foreign(`multipath(${text})`, (out) => {
    for (const number of [fields, basis, 0, choice, lastLink]) out.number(number, 2);
    out.number(argument, 4);
    for (const number of [0, range]) out.number(number, 2);
    out.number(header, 4);
  });
}

function bundle(reader: ByteReader, { warn }: ActionContext, isLoad: boolean): ForeignAction {
  const [choice, fields, basis] = [reader.number(2), reader.number(2), reader.number(2)];
  const [kind, count] = [reader.number(4), reader.number(2)];
  const [range, header] = [reader.number(2), reader.number(4)];
  const reserved = reader.number(4);
  // Of bundle_load, Open vSwitch 3.1 forgets what it found wrong before.
  const isOdd = kind !== PORT_HEADER || count > MEMBERS_MAX || reserved + range + header !== 0;
  const names = [HASH_FIELDS[fields] ?? UNKNOWN, MEMBER_CHOICES[choice] ?? UNKNOWN] as const;
  if (!isLoad && (isOdd || names.includes(UNKNOWN))) refuse(BAD);
  const target = isLoad ? targetOf(fieldOfHeader(header), unpackRange(range), warn) : null;
  if (target !== null && target.width < 16) refuse(BAD);
  if (reader.left < 2 * count) refuse("OFPBAC_BAD_LEN");
  const members = Array.from({ length: count }, () => reader.number(2));
  const isUsable = (port: number): boolean => isOutputPort(port) && port !== OFPP.controller;
  if (!members.every((port) => port === OFPP.none || isUsable(port))) refuse("OFPBAC_BAD_OUT_PORT");
  const head = [names[0], basis, names[1], "ofport"];
  const into = target === null ? [] : [formatSubField(target)];
  const ports = members.map((port) => formatPort(port)).join(",");
  const text = [...head, ...into, `members:${ports}`].join(",");
  return foreign(`${isLoad ? "bundle_load" : "bundle"}(${text})`, (out) => {
    for (const number of [choice, fields, basis]) out.number(number, 2);
    out.number(PORT_HEADER, 4);
    for (const number of [count, range]) out.number(number, 2);
    out.number(header, 4);
    out.zeros(4);
    for (const port of members) out.number(port, 2);
  });
}

/** @param form 1: without a port; 2: with one; 3: with a direction, too. */
function sample(reader: ByteReader, form: 1 | 2 | 3): ForeignAction {
  const probability = reader.number(2);
  const ids = [reader.number(4), reader.number(4), reader.number(4)];
  if (probability === 0) refuse(BAD);
  const port = form === 1 ? OFPP.none : reader.number(2);
  const direction = form === 3 ? reader.number(1) : 0;
  if (form > 1) reader.zeros(reader.left, "NXBRC_MUST_BE_ZERO");
  if (direction > 2) refuse(BAD);
  const names = ["collector_set_id", "obs_domain_id", "obs_point_id"];
  const parts = [
    `probability=${probability}`,
    ...names.map((name, i) => `${name}=${ids[i]}`),
    ...(port === OFPP.none ? [] : [`sampling_port=${formatPort(port)}`]),
    ...["", "ingress", "egress"].slice(direction, direction + 1),
  ];
  return foreign(`sample(${parts.filter((part) => part !== "").join(",")})`, (out) => {
    out.number(probability, 2);
    for (const id of ids) out.number(id, 4);
    if (form === 1) return;
    out.number(port, 2);
    out.number(direction, 1);
  });
}

/** Only options of tunnels can be deleted: NXM_NX_TUN_METADATA0 to 63. */
const METADATA = { first: 40, count: 64 } as const;

function deleteField(reader: ByteReader): ForeignAction {
  const [klass, field, length] = [reader.number(2), reader.number(1), reader.number(1)];
  const number = (field >> 1) - METADATA.first;
  const isOption = klass === 1 && number >= 0 && number < METADATA.count;
  if (!isOption) refuse("OFPBMC_BAD_FIELD");
  return foreign(`delete_field:tun_metadata${number}`, (out) => {
    out.number(klass, 2);
    out.number(field, 1);
    out.number(length, 1);
  });
}

const PACKET_TYPES: Readonly<Record<number, string>> = {
  0: "ethernet",
  0x1894f: "nsh",
  0x18847: "mpls",
  0x18848: "mpls_mc",
};

/** The one property of NSH that is a number: class, type, length. */
const MD_TYPE = [4, 1, 5] as const;

function encap(reader: ByteReader): ForeignAction {
  const [size, type] = [reader.number(2), reader.number(4)];
  const name = PACKET_TYPES[type] ?? refuse("NXBAC_BAD_HEADER_TYPE");
  const kinds: number[] = [];
  while (reader.left > 0) {
    const head = [reader.number(2), reader.number(1), reader.number(1)];
    if (head.some((number, i) => number !== MD_TYPE[i])) refuse("NXBAC_UNKNOWN_ED_PROP");
    kinds.push(reader.number(1));
    reader.skip(3);
  }
  const properties = kinds.map((kind) => `md_type=${kind}`).join(",");
  return foreign(`encap(${name}${properties === "" ? "" : `(${properties})`})`, (out) => {
    out.number(size, 2);
    out.number(type, 4);
    for (const kind of kinds) {
      out.number(MD_TYPE[0], 2);
      for (const number of [MD_TYPE[1], MD_TYPE[2], kind]) out.number(number, 1);
      out.zeros(3);
    }
  });
}

/** The packet type that says: whatever the header names. */
const NEXT_PROTOCOL = 0xfffe;

function decap(reader: ByteReader): ForeignAction {
  reader.skip(2);
  const type = reader.number(4);
  const [space, inSpace] = [type >>> 16, type & 0xffff];
  const said = `packet_type(ns=${space},type=0x${inSpace.toString(16)})`;
  return foreign(`decap(${type === NEXT_PROTOCOL ? "" : said})`, (out) => {
    out.zeros(2);
    out.number(type, 4);
  });
}

/** An action with MPLS whose argument is one number. */
function mplsRow(
  name: string,
  headers: string,
  bytes: 0 | 1 | 2 | 4,
  text: (value: bigint) => string,
): ActionRow {
  return argumentRow<ForeignAction>(name, headers, bytes, {
    of: (value) => foreign(text(value), (out) => out.wide(value, bytes)),
    takes: isForeign,
    value: ({ body }) => body.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
  });
}

const type4 = (value: bigint): string => `0x${value.toString(16).padStart(4, "0")}`;

export const FOREIGN_ROWS: readonly ActionRow[] = [
  foreignRow("NXAST_MULTIPATH", "NX1.0+:10", { exact: 32 }, multipath),
  foreignRow("NXAST_BUNDLE", "NX1.0+:12", { least: 32 }, (reader, context) => {
    return bundle(reader, context, false);
  }),
  foreignRow("NXAST_BUNDLE_LOAD", "NX1.0+:13", { least: 32 }, (reader, context) => {
    return bundle(reader, context, true);
  }),
  foreignRow("NXAST_SAMPLE", "NX1.0+:29", { exact: 24 }, (reader) => sample(reader, 1)),
  foreignRow("NXAST_SAMPLE2", "NX1.0+:38", { exact: 32 }, (reader) => sample(reader, 2)),
  foreignRow("NXAST_SAMPLE3", "NX1.0+:41", { exact: 32 }, (reader) => sample(reader, 3)),
  foreignRow("NXAST_DELETE_FIELD", "NX1.0+:50", { exact: 24 }, deleteField),
  foreignRow("NXAST_ENCAP", "NX1.3+:46", { least: 16 }, encap),
  foreignRow("NXAST_DECAP", "NX1.3+:47", { exact: 16 }, decap),
  mplsRow("NXAST_DEC_NSH_TTL", "NX1.3+:48", 0, () => "dec_nsh_ttl"),
  mplsRow("OFPAT_SET_MPLS_LABEL", "NX1.0:30, OF1.1:13", 4, (label) => `set_mpls_label(${label})`),
  mplsRow("OFPAT_SET_MPLS_TC", "NX1.0:31, OF1.1:14", 1, (tc) => `set_mpls_tc(${tc})`),
  mplsRow("OFPAT_SET_MPLS_TTL", "NX1.0:25, OF1.1+:15", 1, (ttl) => `set_mpls_ttl(${ttl})`),
  mplsRow("OFPAT_DEC_MPLS_TTL", "NX1.0:26, OF1.1+:16", 0, () => "dec_mpls_ttl"),
  mplsRow("OFPAT_PUSH_MPLS", "NX1.0:23, OF1.1+:19", 2, (type) => `push_mpls:${type4(type)}`),
  mplsRow("OFPAT_POP_MPLS", "NX1.0:24, OF1.1+:20", 2, (type) => `pop_mpls:${type4(type)}`),
];
