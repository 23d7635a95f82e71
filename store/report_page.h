// SPDX-License-Identifier: Apache-2.0
#pragma once

// The report's style and its few lines of script. Colours are Okabe and Ito's blue and vermilion, which colour-blind
// readers tell apart; nothing is said by colour alone.

#include <string_view>

namespace orrery::store {

inline constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --page: #f5f6f8; --card: #ffffff; --text: #1c2430; --quiet: #566172; --line: #d9dee6; --blue: #0b62a8; --track: #e3e8ef;
  --alarm: #b3261e; --alarm-back: #fdeceb;
  --q0: #b3460a; --q1: #d9783c; --q2: #edb48c; --q3: #c9ced6; --q4: #93bfe2; --q5: #3d8fcf; --q6: #0b62a8; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1b212a; --text: #e6eaf0; --quiet: #9aa6b6; --line: #323b48; --blue: #5aaef0; --track: #2c3541;
  --alarm: #ff8a80; --alarm-back: #3a1715;
  --q0: #f28b4b; --q1: #c9713a; --q2: #8f5f42; --q3: #5a6472; --q4: #3f6f96; --q5: #4494d4; --q6: #74bdf7; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.15rem; margin: 0 0 12px; }
p { margin: 8px 0; }
.quiet { color: var(--quiet); }
.small { font-size: .875rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(145px, 1fr)); gap: 12px; margin-top: 18px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.tile b { display: block; white-space: nowrap; font-size: 1.4rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--quiet); font-size: .875rem; }
.alarm { color: var(--alarm); background: var(--alarm-back); border: 1px solid var(--alarm); border-radius: 12px; padding: 12px 16px; margin-top: 18px; font-weight: 600; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); gap: 18px; }
.columns section { margin-top: 0; }
.columns { margin-top: 18px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; font-size: .875rem; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.yes { color: var(--blue); white-space: nowrap; } td.no { color: var(--q0); white-space: nowrap; }
code, pre { font: .84rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.step { border-left: 5px solid var(--line); padding: 8px 0 8px 14px; margin: 10px 0; }
.step .small { color: var(--quiet); margin: 0 0 4px; }
.output { background: var(--page); border-radius: 8px; padding: 8px 12px; margin: 6px 0 0; }
.scroll { overflow-x: auto; }
svg { display: block; max-width: none; }
svg.bars { width: 100%; height: auto; }
svg text { fill: var(--text); font-size: 12px; }
svg.bars text { font-size: 14px; } svg.bars .label { text-anchor: end; }
svg .part { fill: var(--blue); } svg .rest { fill: var(--track); }
svg .edge { fill: none; stroke: var(--line); stroke-width: 1.6; } svg .edge.best { stroke: var(--blue); stroke-width: 2.6; }
svg.tree text { paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
svg.tree text.small { fill: var(--quiet); font-size: 10.5px; }
svg.tree .best text:not(.sign):not(.small) { font-weight: 600; }
svg.tree text.sign { text-anchor: middle; stroke: none; fill: #fff; font-size: 13px; font-weight: 700; }
svg circle { stroke: var(--card); stroke-width: 2; }
.q0 { fill: var(--q0); } .q1 { fill: var(--q1); } .q2 { fill: var(--q2); } .q3 { fill: var(--q3); } .q4 { fill: var(--q4); } .q5 { fill: var(--q5); } .q6 { fill: var(--q6); }
.step.q0 { border-color: var(--q0); } .step.q1 { border-color: var(--q1); } .step.q2 { border-color: var(--q2); } .step.q3 { border-color: var(--q3); }
.step.q4 { border-color: var(--q4); } .step.q5 { border-color: var(--q5); } .step.q6 { border-color: var(--q6); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; color: var(--quiet); font-size: .875rem; margin: 0 0 10px; }
.legend svg { display: inline-block; vertical-align: -2px; }
.filter { margin: 0 0 10px; } .filter input { accent-color: var(--blue); }
body.unsolved tr.solved { display: none; }
footer { color: var(--quiet); font-size: .875rem; margin-top: 22px; }
@media (prefers-color-scheme: dark) { svg.tree text.sign { fill: #0d1117; } }
@media print { body { background: #fff; } section, .tile { break-inside: avoid; } .filter { display: none; } }
)css";

inline constexpr std::string_view kScript =
    "document.getElementById('only').addEventListener('change',e=>document.body.classList.toggle('unsolved',e.target."
    "checked));";

}  // namespace orrery::store
