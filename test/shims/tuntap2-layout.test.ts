// Every structure offset and constant of @packetpath/libc against what the C compiler says.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { C, STRUCTS } from "@packetpath/libc";
import { describe, expect, it } from "vitest";

const hasGcc = spawnSync("gcc", ["--version"]).status === 0;
const needsGcc = hasGcc ? "" : " (needs gcc)";

/** The C name of a member where ours is shorter or a union is in between. */
const MEMBERS: { readonly [key: string]: string } = {
  "ifreq.name": "ifr_name",
  "ifreq.flags": "ifr_flags",
  "ifreq.ifindex": "ifr_ifindex",
  "ifreq.mtu": "ifr_mtu",
  "ifreq.addr": "ifr_addr",
  "ifreq.hwaddr": "ifr_hwaddr",
  "ifreq.data": "ifr_data",
  "in6_ifreq.addr": "ifr6_addr",
  "in6_ifreq.prefixlen": "ifr6_prefixlen",
  "in6_ifreq.ifindex": "ifr6_ifindex",
  "msghdr.control": "msg_control",
  "mmsghdr.hdr": "msg_hdr",
  "mmsghdr.len": "msg_len",
  "pollfd.fd": "fd",
  "pollfd.events": "events",
  "pollfd.revents": "revents",
};

const PREFIXES: { readonly [struct: string]: string } = {
  sockaddr: "sa_",
  sockaddr_in: "sin_",
  sockaddr_nl: "nl_",
  sockaddr_ll: "sll_",
  iovec: "iov_",
  msghdr: "msg_",
  rlimit: "rlim_",
  nlmsghdr: "nlmsg_",
  ifinfomsg: "ifi_",
  ifaddrmsg: "ifa_",
  rtmsg: "rtm_",
};

const HEADERS = `
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/ioctl.h>
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/if_packet.h>
#include <linux/if_arp.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
struct in6_ifreq { struct in6_addr ifr6_addr; unsigned int ifr6_prefixlen; int ifr6_ifindex; };
`;

/** `struct.member value` and `constant value`, as the compiler has them. */
function compile(lines: readonly string[]): Map<string, number> {
  const directory = mkdtempSync(join(tmpdir(), "packetpath-test-"));
  const source = join(directory, "layout.c");
  writeFileSync(source, `${HEADERS}\nint main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`);
  const program = join(directory, "layout");
  const gcc = spawnSync("gcc", ["-o", program, source], { encoding: "utf8" });
  if (gcc.status !== 0) throw new Error(gcc.stderr);
  const output = spawnSync(program, { encoding: "utf8" }).stdout.trim().split("\n");
  rmSync(directory, { recursive: true });
  return new Map(output.map((line) => [line.split(" ")[0]!, Number(line.split(" ")[1])]));
}

const print = (key: string, expression: string): string =>
  `printf("${key} %lld\\n", (long long)(${expression}));`;

describe.skipIf(!hasGcc)(`libc layouts${needsGcc}`, () => {
  it("structure sizes and offsets", () => {
    const expected = new Map<string, number>();
    const lines: string[] = [];
    for (const [struct, members] of Object.entries(STRUCTS)) {
      for (const [member, value] of Object.entries(members)) {
        const key = `${struct}.${member}`;
        expected.set(key, value);
        const name = MEMBERS[key] ?? `${PREFIXES[struct] ?? ""}${member}`;
        const offset = `offsetof(struct ${struct}, ${name})`;
        lines.push(print(key, member === "size" ? `sizeof(struct ${struct})` : offset));
      }
    }
    expect(expected.size).toBeGreaterThan(60);
    expect(compile(lines)).toEqual(expected);
  });

  it("constants", () => {
    const expected = new Map<string, number>(Object.entries(C));
    const lines = [...expected.keys()].map((key) => print(key, key));
    expect(expected.size).toBeGreaterThan(80);
    expect(compile(lines)).toEqual(expected);
  });
});
