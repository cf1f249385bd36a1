// The edges of a state graph: for each state, in order of their numbers, the states that its
// threads' steps lead to. Written by the graph's search, read by all that works on the graph.

/** Up to this length an array grows fourfold: room that is never touched costs no memory. */
const WIDE_LENGTH = 1 << 24;

/** Numbers in an array that grows. */
export class Growing {
  data = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    this.reserve(1);
    this.data[this.length++] = value;
  }

  /** Makes room for so many more. */
  reserve(more: number): void {
    if (this.length + more <= this.data.length) return;
    const factor = this.length < WIDE_LENGTH ? 4 : 2;
    const wider = new Int32Array(factor * (this.data.length + more));
    wider.set(this.data);
    this.data = wider;
  }
}

/** Where an edge leads whose state is still to be looked up. */
const OPEN = -1;

export class Edges {
  /** First edge of each state; one entry more than expanded states. */
  readonly first = new Growing();
  readonly to = new Growing();
  /** Thread of each edge, and its choice above bit 8. */
  readonly by = new Growing();
  /** Edges that lead where another one does that is still open. */
  private readonly likewise = new Growing();

  /** The edges that follow are those of the next state. */
  begin(): void {
    this.first.push(this.to.length);
  }

  /** Takes back `begin` and the edges since. */
  takeBack(): void {
    const { to, by, first, likewise } = this;
    const length = first.data[--first.length]!;
    to.length = length;
    by.length = length;
    while (likewise.length > 0 && likewise.data[likewise.length - 1]! >= length) likewise.length--;
  }

  /** An edge that leads where `other` does, which may be open. */
  addLike(other: number, by: number): void {
    const to = this.to.data[other]!;
    if (to < 0) this.likewise.push(this.to.length);
    this.add(to === OPEN ? -2 - other : to, by);
  }

  /** An edge whose state is still to be looked up; its number. */
  addOpen(by: number): number {
    this.add(OPEN, by);
    return this.to.length - 1;
  }

  /** All states have been looked up. */
  close(): void {
    const { likewise } = this;
    const { data } = this.to;
    for (let i = 0; i < likewise.length; i++) {
      const edge = likewise.data[i]!;
      data[edge] = data[-2 - data[edge]!]!;
    }
    likewise.length = 0;
  }

  private add(to: number, by: number): void {
    const at = this.to.length;
    if (at === this.to.data.length) this.to.reserve(1);
    if (at === this.by.data.length) this.by.reserve(1);
    this.to.data[at] = to;
    this.by.data[at] = by;
    this.to.length = at + 1;
    this.by.length = at + 1;
  }
}
