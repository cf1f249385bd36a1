// The page's style sheet: light and dark by the reader's preference, one column on a phone, no
// surprises on paper. Contrast of text is 4.5:1 or better on each ground. Pure data.

export const STYLE = `
:root { color-scheme: light dark;
  --page: #f3f5f8; --card: #ffffff; --ink: #1a1f26; --quiet: #57606b; --line: #d5dbe2;
  --track: #eef1f5; --grid: #e3e8ee;
  --a: #0b62c4; --b: #0f7b83; --good: #1a7f37; --bad: #c4232b; --warn: #8a5a00;
  --good-ground: #e6f4ea; --bad-ground: #fdeaea; --warn-ground: #fdf3dc;
  --work: #5b9be6; --spin: #d93740; --wait: #c9ced6; --lock: #e3a72f; --step: #9b83e0;
  --on-bar: #10141a; --band: #d9373f; --code: #f0f3f7; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0d1117; --card: #161b22; --ink: #e6edf3; --quiet: #9da7b3; --line: #30363d;
  --track: #1d232b; --grid: #262d36;
  --a: #6cb0ff; --b: #4fd1c5; --good: #56d364; --bad: #ff7b72; --warn: #e3b341;
  --good-ground: #12261a; --bad-ground: #2d1618; --warn-ground: #2b2210;
  --work: #3f7fcf; --spin: #e5484d; --wait: #454e5a; --lock: #c78a12; --step: #7a62c9;
  --on-bar: #ffffff; --band: #ff6b6b; --code: #10151c; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 24px 16px 48px; }
header, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 24px; margin: 0 0 16px; }
header { border-left: 8px solid var(--tone); }
header.good { --tone: var(--good); } header.bad { --tone: var(--bad); }
header.warn { --tone: var(--warn); }
h1, h2, h3, p, dl, dd, ul, figure, pre { margin: 0; padding: 0; }
h1 { font-size: 34px; line-height: 1.15; color: var(--tone); letter-spacing: .01em;
  display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; }
h2 { font-size: 21px; line-height: 1.3; margin-bottom: 6px; }
h3 { font-size: 16px; margin: 20px 0 6px; }
ul { list-style: none; }
code, pre {
  font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 6px;
  padding: 10px 12px; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: var(--a); }
.verdict { display: flex; gap: 18px; align-items: center; }
.sign { width: 60px; height: 60px; flex: none; fill: none; stroke: var(--tone); stroke-width: 5;
  stroke-linecap: round; stroke-linejoin: round; }
.sign circle, .sign .shape { fill: var(--tone); stroke: none; }
.sign path:not(.shape) { stroke: var(--card); }
.scenario { color: var(--quiet); font-weight: 600; overflow-wrap: anywhere; }
.expected { font-size: 14px; font-weight: 600; border-radius: 99px; padding: 3px 12px;
  letter-spacing: 0; }
.met { color: var(--good); background: var(--good-ground); }
.unmet { color: var(--bad); background: var(--bad-ground); }
.why { font-size: 19px; line-height: 1.45; margin-top: 14px; overflow-wrap: anywhere; }
.about { color: var(--quiet); margin-top: 8px; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 6px 28px; margin-top: 14px; }
.facts div { display: flex; gap: 8px; } .facts dt { color: var(--quiet); }
.facts dd { font-weight: 600; overflow-wrap: anywhere; }
.warnings { margin-top: 14px; }
.warnings li { color: var(--warn); background: var(--warn-ground); border-radius: 6px;
  padding: 6px 12px; margin-top: 6px; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 16px; }
.tile { flex: 1 1 210px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; padding: 12px 16px; }
.tile dt { color: var(--quiet); font-size: 14px; }
.tile dd { font-size: 24px; font-weight: 650; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tile dd.quiet { font-size: 14px; font-weight: 400; line-height: 1.4; overflow-wrap: anywhere; }
.tile.good dd:not(.quiet) { color: var(--good); } .tile.bad dd:not(.quiet) { color: var(--bad); }
.quiet, .lead, .note, .none { color: var(--quiet); } .lead { margin-bottom: 8px; max-width: 80ch; }
.none { padding: 8px 0; } .good { color: var(--good); } .bad { color: var(--bad); }
header.good, header.bad, header.warn { color: var(--ink); } .warn { color: var(--warn); }
.verdict-line { font-weight: 600; }
.equation { display: flex; flex-wrap: wrap; gap: 2px 10px; font-size: 17px;
  font-variant-numeric: tabular-nums; }
.columns { display: grid; gap: 0 40px;
  grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); }
.list div { display: flex; justify-content: space-between; gap: 16px; padding: 5px 0;
  border-bottom: 1px solid var(--line); }
.list dt { color: var(--quiet); } .list dd { text-align: right; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
.drops { display: grid; gap: 12px; } .drop-head { display: flex; justify-content: space-between; }
.drops .quiet { font-size: 14px; } .bar { width: 100%; height: 7px; display: block; }
.bar-back { fill: var(--track); } .bar-fill { fill: var(--a); }
.num { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin-top: 8px; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
caption { text-align: left; color: var(--quiet); padding-bottom: 4px; }
th, td { padding: 5px 18px 5px 0; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; } thead th { color: var(--quiet); font-weight: 600; }
thead th.num, td.num { text-align: right; white-space: nowrap; }
tbody th { font-weight: 600; white-space: nowrap; }
details { margin-top: 6px; } summary { color: var(--quiet); cursor: pointer; font-size: 14px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; font-size: 14px; }
.chips li { background: var(--code); border: 1px solid var(--line); border-radius: 6px;
  padding: 2px 9px; }
.legend, .faultkey { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 14px;
  color: var(--quiet); margin-bottom: 4px; }
.faultkey { color: var(--ink); }
.key { display: inline-block; width: 14px; height: 10px; border-radius: 2px; margin-right: 6px; }
.mark { display: inline-block; min-width: 19px; padding: 0 4px; border-radius: 99px;
  font-size: 12px; line-height: 19px; text-align: center; background: var(--ink);
  color: var(--card); }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
figure svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
figure svg.narrow { display: none; max-width: 560px; margin: 0 auto; }
svg .tick { fill: var(--quiet); } .grid { stroke: var(--grid); stroke-width: 1; }
svg .lane { font-size: 10.5px; } .track { fill: var(--track); }
.line-a, .line-b, .line-good, .line-bad { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.line-a { stroke: var(--a); } .line-b { stroke: var(--b); stroke-dasharray: 5 2.5; }
.line-good { stroke: var(--good); } .line-bad { stroke: var(--bad); }
.area-a { fill: var(--a); opacity: .13; } .area-b { fill: var(--b); opacity: .13; }
.key.line-a { background: var(--a); } .key.line-b { background: var(--b); }
.key.line-good { background: var(--good); } .key.line-bad { background: var(--bad); }
.key { height: 10px; } .key[class*="line-"] { height: 3px; vertical-align: middle; }
.s-work { fill: var(--work); background: var(--work); } .s-spin { fill: var(--spin);
  background: var(--spin); } .s-wait { fill: var(--wait); background: var(--wait); }
.s-lock { fill: var(--lock); background: var(--lock); } .s-step { fill: var(--step);
  background: var(--step); } .s-idle { fill: var(--track); background: var(--track);
  outline: 1px solid var(--line); }
.hatch { fill: #ffffff; opacity: .38; } svg .in-bar { fill: var(--on-bar); pointer-events: none; }
svg .s-spin-text { fill: #ffffff; font-weight: 600; }
.fault { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 4 3; }
.fault-dot { fill: var(--ink); } svg .fault-number { fill: var(--card); font-weight: 700;
  font-size: 10px; pointer-events: none; }
.band { fill: var(--band); opacity: .26; }
.packet { fill: var(--card); stroke: var(--ink); stroke-width: 1.4; }
.band-edge { stroke: var(--band); stroke-width: 1.6; fill: none; }
svg .band-label { fill: var(--bad); font-weight: 700; font-size: 12px; }
.step-line { stroke: var(--quiet); stroke-width: .8; opacity: .55; }
.funnel { fill: var(--quiet); opacity: .12; }
.dot { fill: var(--a); stroke: var(--card); stroke-width: 1.5; } svg .value { font-weight: 600; }
.cursor { stroke: var(--ink); stroke-width: 1; opacity: .6; pointer-events: none; }
.readout { position: fixed; pointer-events: none; background: var(--ink); color: var(--card);
  font-size: 13px; padding: 4px 10px; border-radius: 6px; white-space: pre; display: none;
  z-index: 1; font-variant-numeric: tabular-nums; }
footer { color: var(--quiet); font-size: 14px; text-align: center; }
@media (max-width: 760px) {
  main { padding: 10px 8px 32px; } header, section { padding: 14px; border-radius: 8px; }
  h1 { font-size: 27px; } .sign { width: 44px; height: 44px; } .why { font-size: 17px; }
  .tiles { gap: 8px; }
  .tile { flex-basis: 145px; padding: 10px 12px; } .tile dd { font-size: 20px; }
  figure svg.wide { display: none; } figure svg.narrow { display: block; }
}
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --quiet: #444;
    --line: #bbb; --track: #f0f0f0; --grid: #ddd; --a: #0b62c4; --b: #0f7b83; --good: #1a7f37;
    --bad: #c4232b; --warn: #8a5a00; --good-ground: #fff; --bad-ground: #fff; --warn-ground: #fff;
    --work: #5b9be6; --spin: #d93740; --wait: #c9ced6; --lock: #e3a72f; --step: #9b83e0;
    --on-bar: #000; --code: #fff; }
  body { font-size: 12px; } main { max-width: none; padding: 0; }
  header, section, .tile { break-inside: avoid; } section#window { break-inside: auto; }
  figure svg.wide { display: block; } figure svg.narrow { display: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  details { display: none; }
}
`;
