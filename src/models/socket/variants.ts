// socket() with each step failing, and what is forgotten, dangles or vanishes meanwhile. Data; any
// thread. History: net/socket.c, net/ipv4/af_inet.c.
import type { VariedSystem } from "packetpath/explore";

const SOCKET = "net/socket.c of 6.9";
const DANGLING = "linux 6.9, before 6cd4a78d962b, 631083143315 and 9365fa510c6f";

export const socket: VariedSystem = {
  name: "socket",
  title: "socket(): each step's failure and what it undoes; module, label, descriptor",
  file: "models/socket/socket.ts",
  variants: [
    {
      id: "S-F",
      what: "each step fails in turn: inode, sk, references, descriptor, file are as before",
      parameters: {},
      verdict: "SAFE",
      source: SOCKET,
    },
    {
      id: "S-D",
      what: "a late failure frees sk and leaves sock->sk; a tracer on the way out follows it",
      parameters: { clears: "never", isTraced: true },
      verdict: "USE-AFTER-FREE",
      switches: 1,
      source: DANGLING,
    },
    {
      id: "S-Dn",
      what: "the same without the tracer: nothing else looks",
      parameters: { clears: "never" },
      verdict: "SAFE",
      source: DANGLING,
    },
    {
      id: "S-DF",
      what: "S-D repaired: the caller of pf->create clears it",
      parameters: { isTraced: true },
      verdict: "SAFE",
      source: "linux 631083143315 (2024-10)",
    },
    {
      id: "S-DF2",
      what: "S-D repaired: inet_create clears it",
      parameters: { clears: "in-create", isTraced: true },
      verdict: "SAFE",
      source: "linux 9365fa510c6f",
    },
    {
      id: "S-M",
      what: "the family's module is unloaded at any time: a reference, taken under RCU, keeps it",
      parameters: { unloads: true },
      verdict: "SAFE",
      source: SOCKET,
    },
    {
      id: "S-M1",
      what: "the module is looked at and not held: its text goes while create runs in it",
      parameters: { unloads: true, holds: "looks", fails: "none" },
      verdict: "USE-AFTER-FREE",
      switches: 3,
      source: "net/socket.c, what try_module_get is for",
    },
    {
      id: "S-M2",
      what: "the family is let go before the owner of the operations is held",
      parameters: { unloads: true, handsOver: "before", fails: "none" },
      verdict: "USE-AFTER-FREE",
      switches: 3,
      source: "net/socket.c, the order of the two references",
    },
    {
      id: "S-10",
      what: "were the owner to refuse, sk would be left: only the family's reference prevents it",
      parameters: { fails: "owner" },
      verdict: "LEAK",
      switches: 2,
      source: "net/socket.c, out_module_busy",
    },
    {
      id: "S-L",
      what: "the security module says no before anything is allocated",
      parameters: { fails: "security_socket_create", errno: 13 },
      verdict: "SAFE",
      source: SOCKET,
    },
    {
      id: "S-L1",
      what: "it is asked after the inode, by a way out that knows of none",
      parameters: { fails: "security_socket_create", asks: "after-inode" },
      verdict: "LEAK",
      switches: 1,
      says: "denied, with memory allocated",
      source: "net/socket.c, the order of the two",
    },
    {
      id: "S-P",
      what: "the security module says no at the end: all is given back",
      parameters: { fails: "security_socket_post_create", errno: 13 },
      verdict: "SAFE",
      source: SOCKET,
    },
    {
      id: "S-I",
      what: "the descriptor is published last: who finds it finds its label",
      parameters: { hasNeighbour: true, fails: "none" },
      verdict: "SAFE",
      source: SOCKET,
    },
    {
      id: "S-I1",
      what: "it is published before the label",
      parameters: { hasNeighbour: true, publishes: "before-label", fails: "none" },
      verdict: "ASSERT",
      switches: 2,
      says: "a socket is in use that has no label",
      source: "net/socket.c, the order of the two",
    },
  ],
};
