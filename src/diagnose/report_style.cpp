#include "diagnose/report_parts.h"

namespace ingot::report {

// Blue and orange of Okabe & Ito 2008; right and wrong also differ by sign and by the kind of line.
std::string_view style() {
  return R"css(
:root { --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --paper: #ffffff; --tint: #f3f6f9; --blue: #0072B2;
  --orange: #D55E00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans",
  sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; margin: .4rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
small, .soft { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
a { color: var(--blue); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 1rem 0; }
.figures div { background: var(--tint); border-radius: 8px; padding: 10px 14px; }
.figures b { display: block; font-size: 1.35rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 16px; }
.chart { margin: 0; }
.chart figcaption { font-weight: 600; }
.chart svg { width: 100%; height: auto; display: block; font: 14px system-ui, "DejaVu Sans", sans-serif; }
.chart text { fill: var(--ink); }
.grid { stroke: var(--line); }
.axis { stroke: var(--soft); }
.mark { stroke: var(--soft); stroke-dasharray: 3 3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.bar { min-width: 140px; width: 45%; vertical-align: middle; }
td.bar span { display: block; height: 14px; background: var(--blue); border-radius: 2px; }
.matrix td { text-align: center; padding: 4px 6px; min-width: 44px; border: 1px solid var(--paper); }
.matrix th { white-space: nowrap; border: 0; font-weight: 500; }
.matrix thead th { writing-mode: vertical-rl; transform: rotate(180deg); padding: 6px 4px; vertical-align: middle; }
.matrix tbody th { position: sticky; left: 0; background: var(--paper); text-align: right; }
.matrix td.diagonal { outline: 2px solid var(--ink); outline-offset: -3px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(116px, 1fr)); gap: 12px; }
.gallery figure { margin: 0; padding: 8px; border: 2px solid var(--line); border-radius: 8px; text-align: center; }
.gallery figure.wrong { border: 2px dashed var(--orange); }
.gallery img { width: 84px; height: 84px; object-fit: contain; image-rendering: pixelated; display: block;
  margin: 0 auto 6px; background: #000; }
.gallery figcaption { font-size: .84rem; line-height: 1.3; overflow-wrap: anywhere; }
.yes { color: var(--blue); font-weight: 600; }
.no { color: var(--orange); font-weight: 600; }
.missing { background: var(--tint); border-left: 4px solid var(--orange); padding: 8px 12px; margin: .6rem 0; }
code, pre { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
td code, td.yes, td.no { white-space: nowrap; }
pre { background: var(--tint); border-radius: 8px; padding: 10px; margin: .4rem 0; overflow: auto; max-height: 30rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 12px; }
.pair > div { min-width: 0; }
summary { cursor: pointer; margin: .6rem 0; }
footer { margin: 2.5rem 0 1rem; color: var(--soft); font-size: .9rem; }
@media (max-width: 520px) { .latencies .bar { display: none; } }  /* its numbers would lie outside the screen */
@media print { pre { max-height: none; } nav { display: none; } }
)css";
}

}  // namespace ingot::report
