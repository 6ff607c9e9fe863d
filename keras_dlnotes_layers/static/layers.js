// The page of the layers tab: a heat map of all layers over all steps, and what to look at first.
// One module without dependencies. It asks only the server it came from, or, in a report, nothing.

const PLUGIN = 'keras_dlnotes_layers';
const LIVE_SECONDS = 10;

const STYLE = `
:root { --back: #ffffff; --text: #202124; --soft: #5f6368; --line: #dadce0; --panel: #f8f9fa;
  --accent: #1a73e8; --neutral: #e8eaed; --empty: #ffffff; }
:root.dark { --back: #202124; --text: #e8eaed; --soft: #9aa0a6; --line: #3c4043; --panel: #292a2d;
  --accent: #8ab4f8; --neutral: #3c4043; --empty: #202124; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 13px/1.4 Roboto, system-ui, sans-serif; }
#bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; padding: 8px 12px;
  border-bottom: 1px solid var(--line); background: var(--panel); }
#bar label { color: var(--soft); display: flex; gap: 5px; align-items: center; }
select, button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line);
  border-radius: 4px; padding: 3px 8px; }
button { cursor: pointer; }
button:focus-visible, select:focus-visible, canvas:focus-visible, li:focus-visible, input:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px; }
#views { display: flex; flex-wrap: wrap; gap: 4px; }
#views button[aria-pressed="true"] { background: var(--accent); color: var(--back); border-color: var(--accent); }
#status { margin-left: auto; color: var(--soft); }
#main { display: flex; align-items: stretch; min-height: 520px; }
#maps { flex: 1 1 auto; min-width: 0; padding: 8px 4px 4px 12px; }
#map { display: block; width: 100%; cursor: crosshair; touch-action: none; }
#side { flex: 0 0 300px; border-left: 1px solid var(--line); padding: 8px 12px; overflow: auto; max-height: 900px; }
#side h2 { font-size: 14px; margin: 4px 0 6px; }
#side ol { margin: 0 0 12px; padding: 0; list-style: none; }
#side li { padding: 5px 8px; border-left: 4px solid var(--line); margin-bottom: 5px; cursor: pointer;
  background: var(--panel); border-radius: 0 4px 4px 0; overflow-wrap: anywhere; }
#side li b { display: block; }
#side li small { color: var(--soft); }
#side p { color: var(--soft); margin: 4px 0 12px; }
#steps { display: flex; align-items: center; gap: 8px; padding: 2px 12px 6px; }
#steps input { flex: 1; accent-color: var(--accent); }
#legend { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; padding: 0 12px 8px; color: var(--soft); }
#legend canvas { vertical-align: middle; border: 1px solid var(--line); }
#legend i { display: inline-block; width: 12px; height: 12px; vertical-align: -2px; margin-right: 4px; border: 1px solid var(--line); }
#tip { position: fixed; pointer-events: none; background: var(--text); color: var(--back); padding: 5px 8px;
  border-radius: 4px; display: none; z-index: 5; max-width: 340px; overflow-wrap: anywhere; }
#details { border-top: 1px solid var(--line); padding: 10px 12px; display: none; }
#details h2 { font-size: 14px; margin: 0 0 8px; display: flex; gap: 10px; align-items: center; }
#charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 10px; }
#histograms { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 10px; margin-top: 10px; }
#charts figure, #histograms figure { margin: 0; }
#histograms canvas { width: 100%; height: 190px; display: block; }
#charts figcaption, #histograms figcaption { color: var(--soft); overflow-wrap: anywhere; }
#charts svg { width: 100%; height: 84px; background: var(--panel); border: 1px solid var(--line); display: block; }
#empty { padding: 40px; max-width: 640px; line-height: 1.6; }
code { background: var(--panel); padding: 1px 4px; }
@media (max-width: 800px) { #main { flex-direction: column; } #side { flex: none; border-left: 0; max-height: none; } }
`;

const PAGE = `
<div id="bar">
  <label>Run <select id="run"></select></label>
  <label>Compare with <select id="other"></select></label>
  <label id="modes">as <select id="mode"><option value="beside">side by side</option><option value="ratio">ratio</option></select></label>
  <div id="views" role="group" aria-label="Statistic"></div>
  <button id="fold" title="Fold or unfold all blocks (f)">Fold blocks</button>
  <span id="status" role="status"></span>
</div>
<div id="main">
  <div id="maps">
    <canvas id="map" tabindex="0" role="img"></canvas>
    <div id="steps"><label for="step">Step</label><input id="step" type="range" min="0" value="0"><output id="stepname"></output></div>
    <div id="legend"></div>
  </div>
  <div id="side"></div>
</div>
<div id="details"></div>
<div id="tip"></div>`;

// Colours that colour-blind readers tell apart: blue (too small), orange (too large), grey between.
// The farther from the healthy band, the stronger the contrast to the page.
const BLUE = { light: [[209, 229, 240], [103, 169, 207], [33, 102, 172], [5, 48, 97]],
  dark: [[66, 84, 104], [58, 112, 168], [86, 160, 224], [168, 214, 255]] };
const ORANGE = { light: [[253, 219, 199], [244, 165, 96], [214, 96, 30], [127, 39, 4]],
  dark: [[98, 78, 62], [176, 100, 44], [236, 138, 50], [255, 196, 120]] };
const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
const NOT_FINITE = [216, 0, 115];

const $ = (id) => document.getElementById(id);
const isDark = () => document.documentElement.classList.contains('dark');
const theme = (colors) => (isDark() ? colors.dark : colors.light);
const rgb = ([r, g, b]) => `rgb(${Math.round(r)},${Math.round(g)},${Math.round(b)})`;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function mix(colors, share) {
  const place = Math.max(0, Math.min(1, share)) * (colors.length - 1);
  const low = Math.min(colors.length - 2, Math.floor(place));
  const rest = place - low;
  return colors[low].map((value, k) => value + rest * (colors[low + 1][k] - value));
}

export function format(value) {
  if (value === undefined || Number.isNaN(value)) return 'not recorded';
  if (value === null || !Number.isFinite(value)) return 'not finite';
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 0.01 && size < 10000 ? String(+value.toPrecision(4)) : value.toExponential(3);
}

// ---------------------------------------------------------------------------------------------
// Where the numbers come from: the server, or the page itself.

class ServerSource {
  constructor(base) { this.base = base; }
  async ask(path, parameters) {
    const address = `${this.base}${path}?${new URLSearchParams(parameters)}`;
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
  async runs() { return (await this.ask('runs', {})).json(); }
  async summary(run) { return (await this.ask('run', { run })).json(); }
  async matrix(run, view) { return new Float32Array(await (await this.ask('matrix', { run, view })).arrayBuffer()); }
  async details(run, layer) { return (await this.ask('layer', { run, layer })).json(); }
  async histograms(run, layer) { return (await this.ask('histograms', { run, layer })).json(); }
}

class EmbeddedSource {
  constructor(runs) { this.all = runs; }
  async runs() { return Object.keys(this.all); }
  async summary(run) { return this.all[run].summary; }
  async matrix(run, view) {
    const bytes = Uint8Array.from(atob(this.all[run].matrices[view]), (c) => c.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  }
  async details(run, layer) { return this.all[run].details[layer]; }
  async histograms() { return []; }  // they would make the file too large
}

// ---------------------------------------------------------------------------------------------
// How a number becomes a colour, and which of several numbers is the oddest.

class Scale {
  constructor(view, ratio) {
    this.view = view;
    this.ratio = ratio;
    this.healthy = ratio ? [0.8, 1.25] : view.healthy;
    this.kind = ratio ? 'log' : view.scale;
    if (this.healthy) {
      const [low, high] = this.healthy.map(Math.log10);
      this.low = low - 4; this.high = high + 4; this.healthyLog = [low, high];
    } else if (this.kind === 'log') {
      this.low = Math.floor(Math.log10(view.low)); this.high = Math.ceil(Math.log10(view.high));
      if (this.high <= this.low) this.high = this.low + 1;
    } else { this.low = 0; this.high = 1; }
    this.neutral = isDark() ? [60, 64, 67] : [232, 234, 237];
    this.dead = isDark() ? [255, 255, 255] : [0, 0, 0];
    this.empty = null;
  }
  // Place on the axis between 0 and 1.
  place(value) {
    const number = this.kind === 'log' ? Math.log10(value) : value;
    return Math.max(0, Math.min(1, (number - this.low) / (this.high - this.low)));
  }
  color(value) {
    if (Number.isNaN(value)) return this.empty;
    if (this.view.name === 'non_finite' && !this.ratio) return value > 0 ? NOT_FINITE : this.neutral;
    if (!Number.isFinite(value)) return NOT_FINITE;
    if (this.kind === 'share') return value >= 0.999 ? this.dead : mix([this.neutral, ...theme(BLUE).slice(1)], value * 0.75);
    if (value <= 0) return this.dead;
    const number = Math.log10(value);
    if (!this.healthy) return mix(CIVIDIS, this.place(value));
    const [low, high] = this.healthyLog;
    if (number < low) return mix([this.neutral, ...theme(BLUE)], 0.15 + (low - number) / 4);
    if (number > high) return mix([this.neutral, ...theme(ORANGE)], 0.15 + (number - high) / 4);
    return this.neutral;
  }
  oddness(value) {
    if (Number.isNaN(value)) return -1;
    if (!Number.isFinite(value)) return 100;
    if (this.view.name === 'non_finite') return value;
    if (this.kind === 'share') return value;
    if (value <= 0) return 50;
    const number = Math.log10(value);
    if (this.healthy) return Math.max(0, this.healthyLog[0] - number, number - this.healthyLog[1]);
    return Math.abs(number - (this.low + this.high) / 2);
  }
}

// ---------------------------------------------------------------------------------------------

class LayersPage {
  constructor(source, address) {
    this.source = source;
    this.address = address;
    this.state = { run: '', other: '', mode: 'beside', view: '', step: -1, layer: -1, folded: '' };
    this.loaded = {};
    this.drawn = null;
    window.layersPage = this;  // for whoever drives the page by a script
  }

  async start() {
    document.head.appendChild(Object.assign(document.createElement('style'), { textContent: STYLE }));
    document.body.innerHTML = PAGE;
    followTheme(() => this.redraw());
    Object.assign(this.state, this.address.read());
    this.state.step = +this.state.step;
    this.state.layer = +this.state.layer;
    this.listen();
    await this.refresh(true);
    if (this.source instanceof ServerSource) {
      setInterval(() => { if (!document.hidden) this.refresh(false); }, LIVE_SECONDS * 1000);
    }
  }

  listen() {
    for (const id of ['run', 'other', 'mode']) {
      $(id).onchange = () => { this.state[id] = $(id).value; this.state.layer = -1; this.update(); };
    }
    $('step').oninput = () => {
      const run = this.loaded[this.state.run];
      const last = +$('step').value === run.summary.steps.length - 1;
      this.state.step = last ? -1 : run.summary.steps[+$('step').value];
      this.save(); this.draw();
    };
    $('fold').onclick = () => this.fold();
    const map = $('map');
    map.onmousemove = (event) => this.hover(event);
    map.onmouseleave = () => { $('tip').style.display = 'none'; };
    map.onclick = (event) => this.click(event);
    map.onkeydown = (event) => this.key(event);
    document.addEventListener('keydown', (event) => {
      if (event.target.tagName === 'SELECT' || event.target.tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'f') this.fold();
      if (event.key === '[' || event.key === ']') this.turn(event.key === ']' ? 1 : -1);
      if (event.key === 'Escape') { this.state.layer = -1; this.update(); }
    });
    window.addEventListener('resize', () => this.redraw());
  }

  async refresh(first) {
    let runs;
    try { runs = await this.source.runs(); } catch (error) { return this.say(`The server does not answer (${error.message}).`); }
    if (!runs.length) {
      if (first) this.explain();
      return;
    }
    if ($('empty')) { document.body.innerHTML = PAGE; this.listen(); }
    this.runs = runs;
    if (!runs.includes(this.state.run)) this.state.run = runs[0];
    if (!runs.includes(this.state.other)) this.state.other = '';
    for (const run of new Set([this.state.run, this.state.other])) if (run) delete this.stale?.[run];
    await this.update(true);
  }

  explain() {
    document.body.innerHTML = `<div id="empty"><h2>No layer statistics here yet</h2>
      <p>The tab shows what <code>TrainingMonitor</code> records of every layer:</p>
      <p><code>model.fit(x, y, callbacks=[keras_dlnotes.callbacks.TrainingMonitor("logs/first")])</code></p>
      <p>Point <code>tensorboard --logdir</code> to the folder above, here <code>logs</code>. The page looks again by itself.</p></div>`;
  }

  async load(run, again) {
    if (!run) return null;
    const known = this.loaded[run];
    if (known && !again) return known;
    const summary = await this.source.summary(run);
    const same = known && known.summary.steps.length === summary.steps.length && known.summary.steps.at(-1) === summary.steps.at(-1);
    this.loaded[run] = { summary, matrices: same ? known.matrices : {} };
    return this.loaded[run];
  }

  async matrix(run, view) {
    const entry = this.loaded[run];
    if (!entry.summary.views.some((v) => v.name === view)) return null;
    entry.matrices[view] ??= await this.source.matrix(run, view);
    return entry.matrices[view];
  }

  async update(again = false) {
    const turn = this.turnNumber = (this.turnNumber || 0) + 1;
    try {
      const entry = await this.load(this.state.run, again);
      await this.load(this.state.other, again);
      if (!entry.summary.views.some((v) => v.name === this.state.view)) this.state.view = firstView(entry.summary);
      await this.matrix(this.state.run, this.state.view);
      if (this.state.other) await this.matrix(this.state.other, this.state.view);
    } catch (error) {
      return this.say(error.message);
    }
    if (turn !== this.turnNumber) return;  // a later choice is under way
    this.save();
    this.fillBar();
    this.fillSide();
    this.draw();
    await this.fillDetails();
    document.body.dataset.ready = String(this.loaded[this.state.run].summary.steps.length);
  }

  say(text) { const status = $('status'); if (status) status.textContent = text; }
  save() { this.address.write(this.state); }
  get folded() { return new Set(this.state.folded ? this.state.folded.split(',') : []); }
  set folded(names) { this.state.folded = [...names].join(','); }

  fold(group) {
    const groups = new Set(this.loaded[this.state.run].summary.layers.map((l) => l.group).filter(Boolean));
    const folded = this.folded;
    if (group) folded.has(group) ? folded.delete(group) : folded.add(group);
    else if (folded.size) folded.clear();
    else groups.forEach((name) => folded.add(name));
    this.folded = folded;
    this.save();
    this.fillBar();
    this.draw();
  }

  turn(by) {
    const names = this.loaded[this.state.run].summary.views.map((v) => v.name);
    this.state.view = names[(names.indexOf(this.state.view) + by + names.length) % names.length];
    this.update();
  }

  fillBar() {
    const { summary } = this.loaded[this.state.run];
    const option = (value, text, chosen) => `<option value="${escape(value)}" ${chosen ? 'selected' : ''}>${escape(text)}</option>`;
    $('run').innerHTML = this.runs.map((run) => option(run, run, run === this.state.run)).join('');
    $('other').innerHTML = option('', 'no other run', !this.state.other) + this.runs.filter((run) => run !== this.state.run)
      .map((run) => option(run, run, run === this.state.other)).join('');
    $('mode').value = this.state.mode;
    $('modes').style.display = this.state.other ? '' : 'none';
    const views = $('views');
    if (views.dataset.names !== summary.views.map((v) => v.name).join()) {
      views.dataset.names = summary.views.map((v) => v.name).join();
      views.replaceChildren(...summary.views.map((view) => {
        const button = Object.assign(document.createElement('button'), { textContent: view.title, title: view.source });
        button.dataset.view = view.name;
        button.onclick = () => { this.state.view = view.name; this.update(); };
        return button;
      }));
    }
    for (const button of views.children) button.setAttribute('aria-pressed', button.dataset.view === this.state.view);
    const grouped = summary.layers.some((layer) => layer.group);
    $('fold').style.display = grouped ? '' : 'none';
    $('fold').textContent = this.folded.size ? 'Unfold blocks' : 'Fold blocks';
    $('step').max = summary.steps.length - 1;
    this.say(`${summary.layers.length} layers, ${summary.steps.length} recorded steps, last ${summary.steps.at(-1).toLocaleString('en')}`);
  }

  fillSide() {
    const { summary } = this.loaded[this.state.run];
    const side = $('side');
    const scroll = side.scrollTop;
    side.innerHTML = '<h2>Look here first</h2>';
    const list = document.createElement('ol');
    list.id = 'look';
    for (const notice of summary.look_first) {
      const layer = summary.layers[notice.layer];
      const item = this.entry(layer.name, notice.text, [
        `from step ${notice.step.toLocaleString('en')}`,
        ['not_finite', 'dead'].includes(notice.reason) ? '' : format(notice.value) + (notice.usual ? `, usual here ${format(notice.usual)}` : ''),
        notice.others ? `and ${notice.others} more ${notice.others === 1 ? 'layer' : 'layers'}${notice.reason.startsWith('update') ? '' : ' near it'}` : '',
      ], () => { Object.assign(this.state, { layer: notice.layer, view: notice.view, step: notice.step }); this.update(); });
      item.style.borderColor = rgb(severity(notice.reason));
      list.appendChild(item);
    }
    if (summary.look_first.length) side.appendChild(list);
    else side.insertAdjacentHTML('beforeend', '<p id="look">No layer left the healthy band or its neighbours\' trend.</p>');
    if (summary.findings.length) {
      side.insertAdjacentHTML('beforeend', '<h2>Diagnosis</h2>');
      const findings = document.createElement('ol');
      findings.id = 'findings';
      for (const finding of summary.findings) {
        const place = summary.layers.findIndex((layer) => layer.name === finding.layer);
        findings.appendChild(this.entry(finding.cause.replaceAll('_', ' '), finding.symptom, [
          finding.layer ? `layer ${finding.layer}` : '', finding.output ? `output ${finding.output}` : '', finding.step === null ? '' : `step ${finding.step}`, finding.remedy,
        ], () => { if (place >= 0) { this.state.layer = place; if (finding.step !== null) this.state.step = finding.step; this.update(); } }));
      }
      side.appendChild(findings);
    }
    side.scrollTop = scroll;
  }

  entry(title, text, lines, choose) {
    const item = document.createElement('li');
    item.tabIndex = 0;
    item.append(Object.assign(document.createElement('b'), { textContent: title }), text);
    for (const line of lines.filter(Boolean)) item.append(document.createElement('br'), Object.assign(document.createElement('small'), { textContent: line }));
    item.onclick = choose;
    item.onkeydown = (event) => { if (event.key === 'Enter') choose(); };
    return item;
  }

  // Rows of the picture: layers, or folded groups, in the order of the network. A layer that has
  // no such number at any step (a ReLU has no gradient of its own) has no row.
  rows() {
    const { summary: { layers }, matrices } = this.loaded[this.state.run];
    const folded = this.folded;
    const rows = [];
    const numbers = matrices[this.state.view];
    const has = layers.map(() => false);
    numbers.forEach((value, place) => { if (!Number.isNaN(value)) has[place % layers.length] = true; });
    layers.forEach((layer, number) => {
      if (!has[number]) return;
      const last = rows.at(-1);
      if (layer.group && folded.has(layer.group)) {
        if (last && last.group === layer.group && last.folded) last.members.push(number);
        else rows.push({ name: layer.group, group: layer.group, folded: true, members: [number] });
      } else rows.push({ name: layer.name, group: layer.group, folded: false, members: [number] });
    });
    return rows;
  }

  panels() {
    const { state } = this;
    const main = this.loaded[state.run];
    const view = main.summary.views.find((v) => v.name === state.view);
    const panel = (run, entry, numbers, ratio = false) => ({ run, entry, numbers, scale: new Scale(view, ratio), columns: entry.summary.layers.length });
    const first = panel(state.run, main, main.matrices[state.view]);
    const other = this.loaded[state.other];
    const theirs = other?.matrices[state.view];
    if (!theirs) return [first];
    const places = main.summary.layers.map((layer) => other.summary.layers.findIndex((o) => o.name === layer.name));
    if (state.mode === 'ratio') {
      const steps = main.summary.steps;
      const ratio = new Float32Array(first.numbers.length);
      steps.forEach((step, row) => {
        const row2 = nearest(other.summary.steps, step);
        places.forEach((place, layer) => {
          const a = first.numbers[row * first.columns + layer];
          const b = place < 0 ? NaN : theirs[row2 * other.summary.layers.length + place];
          ratio[row * first.columns + layer] = Number.isFinite(a) && Number.isFinite(b) ? a / b : a === b ? 1 : a + b;
        });
      });
      return [panel(`${state.run} / ${state.other}`, main, ratio, true)];
    }
    const aligned = new Float32Array(other.summary.steps.length * places.length).fill(NaN);
    other.summary.steps.forEach((_, row) => places.forEach((place, layer) => {
      if (place >= 0) aligned[row * places.length + layer] = theirs[row * other.summary.layers.length + place];
    }));
    return [first, { ...panel(state.other, other, aligned), columns: places.length }];
  }

  // After a change of colours or of width.
  redraw() {
    this.draw();
    this.drawHistograms();
  }

  draw() {
    const entry = this.loaded[this.state.run];
    const map = $('map');
    if (!entry || !map || !entry.matrices[this.state.view]) return;
    const rows = this.rows();
    const panels = this.panels();
    const width = map.clientWidth;
    const height = Math.max(480, Math.min(900, window.innerHeight - 170));
    const density = window.devicePixelRatio || 1;
    map.width = width * density;
    map.height = height * density;
    map.style.height = `${height}px`;
    const draw = map.getContext('2d');
    draw.scale(density, density);
    draw.font = '11px Roboto, system-ui, sans-serif';
    const names = Math.min(230, Math.max(110, width * 0.2));
    const profile = Math.min(240, width * 0.24);
    const top = 20; const bottom = 24; const gap = 14;
    const mapWidth = (width - names - profile - gap * (panels.length + 1)) / panels.length;
    const plot = { top, height: height - top - bottom, rows: rows.length };
    plot.y = (row) => plot.top + row * plot.height / plot.rows;
    this.drawn = { rows, panels, plot, names, density };
    this.drawNames(draw, rows, plot, names);
    panels.forEach((panel, k) => {
      panel.left = names + gap / 2 + k * (mapWidth + gap);
      panel.width = mapWidth;
      this.drawPanel(draw, panel, rows, plot, density);
    });
    this.drawProfile(draw, panels, rows, plot, width - profile - 4, profile - 6);
    this.drawLegend(panels[0].scale);
    const steps = entry.summary.steps;
    const index = this.stepIndex(entry);
    $('step').value = index;
    $('stepname').textContent = steps[index]?.toLocaleString('en') ?? '';
    const view = panels[0].scale.view;
    map.setAttribute('aria-label', `${view.title} of ${rows.length} rows over ${steps.length} recorded steps. Arrow keys move, Enter opens a layer.`);
  }

  stepIndex(entry) {
    const { steps } = entry.summary;
    return this.state.step < 0 ? steps.length - 1 : nearest(steps, this.state.step);
  }

  valueOf(panel, row, step) {
    let oddest = NaN;
    for (const member of row.members) {
      const value = panel.numbers[step * panel.columns + member];
      if (panel.scale.oddness(value) > panel.scale.oddness(oddest)) oddest = value;
    }
    return oddest;
  }

  drawNames(draw, rows, plot, width) {
    const { summary } = this.loaded[this.state.run];
    const noticed = new Map(summary.look_first.map((notice) => [notice.layer, notice]));
    // Most important first; a name that would touch one already written is left out.
    const wishes = rows.map((row, number) => {
      const notice = row.members.map((member) => noticed.get(member)).find(Boolean);
      const chosen = row.members.includes(this.state.layer);
      const opens = row.group && rows[number - 1]?.group !== row.group;
      return { row, number, notice, chosen, opens, rank: chosen ? 0 : notice ? 1 : row.folded ? 2 : opens ? 3 : 4 };
    }).sort((a, b) => a.rank - b.rank || a.number - b.number);
    const taken = [];
    draw.textAlign = 'right';
    draw.textBaseline = 'middle';
    for (const wish of wishes) {
      const y = (plot.y(wish.number) + plot.y(wish.number + 1)) / 2;
      if (taken.some((other) => Math.abs(other - y) < 12)) continue;
      taken.push(y);
      let name = wish.row.folded ? `▸ ${wish.row.name} (${wish.row.members.length})` : wish.row.name;
      while (name.length > 4 && draw.measureText(name).width > width - 8) name = `…${name.slice(name.startsWith('…') ? 2 : 1)}`;
      draw.font = wish.chosen || wish.notice ? 'bold 11px Roboto, system-ui, sans-serif' : '11px Roboto, system-ui, sans-serif';
      draw.fillStyle = wish.notice ? (isDark() ? '#fdd663' : '#b3261e') : wish.chosen ? css('--accent') : css('--soft');
      draw.fillText(name, width - 2, y);
    }
    draw.font = '11px Roboto, system-ui, sans-serif';
    // A line along each block that is not folded.
    draw.fillStyle = css('--line');
    let start = 0;
    rows.forEach((row, number) => {
      if (rows[number + 1]?.group === row.group) return;
      if (row.group && !row.folded) draw.fillRect(width + 1, plot.y(start) + 1, 3, plot.y(number + 1) - plot.y(start) - 2);
      start = number + 1;
    });
  }

  drawPanel(draw, panel, rows, plot, density) {
    const steps = panel.entry.summary.steps;
    const columns = Math.max(1, Math.min(steps.length, Math.floor(panel.width * density)));
    const image = new ImageData(columns, rows.length);
    const empty = [0, 0, 0, 0];
    panel.columnOf = (step) => Math.min(columns - 1, Math.floor(step * columns / steps.length));
    panel.shown = columns;
    for (let column = 0; column < columns; column++) {
      const from = Math.floor(column * steps.length / columns);
      const to = Math.max(from + 1, Math.floor((column + 1) * steps.length / columns));
      rows.forEach((row, number) => {
        let oddest = NaN;
        for (let step = from; step < to; step++) {
          const value = this.valueOf(panel, row, step);
          if (panel.scale.oddness(value) > panel.scale.oddness(oddest)) oddest = value;
        }
        const color = panel.scale.color(oddest);
        image.data.set(color ? [...color, 255] : empty, (number * columns + column) * 4);
      });
    }
    const buffer = new OffscreenCanvas(columns, rows.length);
    buffer.getContext('2d').putImageData(image, 0, 0);
    draw.fillStyle = css('--empty');
    draw.fillRect(panel.left, plot.top, panel.width, plot.height);
    draw.imageSmoothingEnabled = false;
    draw.drawImage(buffer, panel.left, plot.top, panel.width, plot.height);
    draw.strokeStyle = css('--line');
    draw.strokeRect(panel.left - 0.5, plot.top - 0.5, panel.width + 1, plot.height + 1);
    draw.fillStyle = css('--text');
    draw.textAlign = 'left';
    draw.textBaseline = 'alphabetic';
    draw.fillText(fit(draw, panel.run || '.', panel.width), panel.left, plot.top - 6);
    draw.fillStyle = css('--soft');
    const last = steps.length - 1;
    const marks = panel.width > 260 ? [0, 0.25, 0.5, 0.75, 1] : [0, 1];
    const written = new Set();
    for (const mark of marks) {
      const index = Math.round(mark * last);
      if (written.has(index)) continue;
      written.add(index);
      draw.textAlign = mark === 0 ? 'left' : mark === 1 ? 'right' : 'center';
      draw.fillText(steps[index].toLocaleString('en'), panel.left + (mark === 0 ? 0 : mark === 1 ? panel.width : (index + 0.5) / steps.length * panel.width), plot.top + plot.height + 14);
    }
    if (this.drawn.panels[0] === panel || this.state.mode === 'beside') {
      const index = nearest(steps, this.state.step < 0 ? steps[last] : this.state.step);
      const x = panel.left + (index + 0.5) / steps.length * panel.width;
      draw.strokeStyle = css('--accent');
      draw.beginPath(); draw.moveTo(x, plot.top - 4); draw.lineTo(x, plot.top + plot.height + 4); draw.stroke();
    }
    if (this.state.layer >= 0) {
      const number = rows.findIndex((row) => row.members.includes(this.state.layer));
      if (number >= 0) draw.strokeRect(panel.left, plot.y(number), panel.width, Math.max(2, plot.height / rows.length));
    }
    for (const finding of panel.entry.summary.findings) {
      const layer = panel.entry.summary.layers.findIndex((l) => l.name === finding.layer);
      const number = rows.findIndex((row) => row.members.includes(layer));
      if (number < 0) continue;
      const index = finding.step === null ? last : nearest(steps, finding.step);
      draw.beginPath();
      draw.arc(panel.left + (index + 0.5) / steps.length * panel.width, (plot.y(number) + plot.y(number + 1)) / 2, 5, 0, 7);
      draw.strokeStyle = css('--text');
      draw.stroke();
    }
  }

  drawProfile(draw, panels, rows, plot, left, width) {
    const scale = panels[0].scale;
    draw.fillStyle = css('--panel');
    draw.fillRect(left, plot.top, width, plot.height);
    if (scale.healthy) {
      draw.fillStyle = css('--neutral');
      const [a, b] = scale.healthy.map((value) => left + scale.place(value) * width);
      draw.fillRect(a, plot.top, b - a, plot.height);
    }
    draw.strokeStyle = css('--line');
    draw.strokeRect(left - 0.5, plot.top - 0.5, width + 1, plot.height + 1);
    panels.forEach((panel, k) => {
      const steps = panel.entry.summary.steps;
      const index = nearest(steps, this.state.step < 0 ? steps.at(-1) : this.state.step);
      draw.strokeStyle = k ? rgb(theme(ORANGE)[2]) : css('--accent');
      draw.setLineDash(k ? [4, 3] : []);
      draw.beginPath();
      let pen = false;
      const special = [];
      rows.forEach((row, number) => {
        const value = this.valueOf(panel, row, index);
        const y = (plot.y(number) + plot.y(number + 1)) / 2;
        if (Number.isNaN(value)) return;
        if (!Number.isFinite(value) || (scale.kind === 'log' && value <= 0)) {
          special.push([y, scale.color(value), Number.isFinite(value)]);
          pen = false;
          return;
        }
        const x = left + scale.place(value) * width;
        pen ? draw.lineTo(x, y) : draw.moveTo(x, y);
        pen = true;
      });
      draw.stroke();
      draw.setLineDash([]);
      for (const [y, color, zero] of special) {
        if (!color) continue;
        draw.fillStyle = rgb(color);
        draw.fillRect(zero ? left : left + width - 5, y - 1.5, 5, 3);
      }
    });
    draw.fillStyle = css('--text');
    draw.textAlign = 'left';
    draw.textBaseline = 'alphabetic';
    draw.fillText('by depth, at the step', left, plot.top - 6);
    draw.fillStyle = css('--soft');
    const ends = scale.kind === 'log' ? [`1e${Math.round(scale.low)}`, `1e${Math.round(scale.high)}`] : ['0', '1'];
    draw.fillText(ends[0], left, plot.top + plot.height + 14);
    draw.textAlign = 'right';
    draw.fillText(ends[1], left + width, plot.top + plot.height + 14);
    if (scale.healthy) {
      draw.textAlign = 'center';
      draw.fillText(this.state.mode === 'ratio' && this.state.other ? '1' : 'healthy', left + width / 2, plot.top + plot.height + 14);
    }
  }

  drawLegend(scale) {
    const legend = $('legend');
    const bar = Object.assign(document.createElement('canvas'), { width: 180, height: 12 });
    const draw = bar.getContext('2d');
    for (let x = 0; x < 180; x++) {
      const place = x / 179;
      const number = scale.low + place * (scale.high - scale.low);
      draw.fillStyle = rgb(scale.color(scale.kind === 'log' ? 10 ** number : Math.min(0.998, number)) ?? [0, 0, 0]);
      draw.fillRect(x, 0, 1, 12);
    }
    const low = scale.kind === 'log' ? format(10 ** scale.low) : '0';
    const high = scale.kind === 'log' ? format(10 ** scale.high) : '1';
    legend.replaceChildren();
    const swatch = (color, text) => legend.insertAdjacentHTML('beforeend', `<span><i style="background:${rgb(color)}"></i>${text}</span>`);
    if (scale.view.name !== 'non_finite' || scale.ratio) {
      legend.append(low, bar, high);
      if (scale.healthy) swatch(scale.neutral, scale.ratio ? 'the same' : `healthy, ${format(scale.healthy[0])} to ${format(scale.healthy[1])}`);
    } else swatch(scale.neutral, 'all finite');
    if (scale.kind === 'share') swatch(scale.dead, scale.view.name === 'zero_fraction' ? 'dead: all are 0' : 'all are saturated');
    else if (scale.view.name !== 'non_finite') swatch(scale.dead, 'exactly 0');
    swatch(NOT_FINITE, 'not finite');
    const source = document.createElement('span');
    source.textContent = scale.ratio ? 'ratio of the two runs, at the nearest recorded step' : scale.view.source;
    legend.append(source);
  }

  at(event) {
    if (!this.drawn) return null;
    const { rows, panels, plot } = this.drawn;
    const box = $('map').getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const number = Math.floor((y - plot.top) / plot.height * rows.length);
    if (number < 0 || number >= rows.length) return null;
    const panel = panels.find((p) => x >= p.left && x < p.left + p.width);
    if (!panel) return { row: rows[number], name: x < panels[0].left };
    const steps = panel.entry.summary.steps;
    return { row: rows[number], panel, index: Math.min(steps.length - 1, Math.floor((x - panel.left) / panel.width * steps.length)) };
  }

  hover(event) {
    const tip = $('tip');
    const at = this.at(event);
    if (!at) { tip.style.display = 'none'; return; }
    const { layers } = this.loaded[this.state.run].summary;
    const lines = [at.row.folded ? `${at.row.name}: ${at.row.members.length} layers` : `${at.row.name} (${layers[at.row.members[0]].type})`];
    if (at.panel) {
      const value = this.valueOf(at.panel, at.row, at.index);
      lines.push(`${at.panel.run}, step ${at.panel.entry.summary.steps[at.index].toLocaleString('en')}`);
      lines.push(`${at.panel.scale.view.title}: ${format(value)}${at.row.folded ? ' (the oddest)' : ''}`);
      for (const view of at.panel.entry.summary.views) {
        const numbers = at.panel.entry.matrices[view.name];
        if (view.name === this.state.view || !numbers || at.row.folded || at.panel.scale.ratio || at.panel.run !== this.state.run) continue;
        lines.push(`${view.title}: ${format(numbers[at.index * at.panel.columns + at.row.members[0]])}`);
      }
    } else if (at.row.group) lines.push(`block ${at.row.group}: click to ${at.row.folded ? 'unfold' : 'fold'}`);
    tip.replaceChildren(...lines.flatMap((line) => [document.createTextNode(line), document.createElement('br')]));
    tip.style.display = 'block';
    tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8)}px`;
  }

  click(event) {
    const at = this.at(event);
    if (!at) return;
    if (at.name && at.row.group) { this.fold(at.row.group); return; }
    if (at.row.folded) { this.fold(at.row.group); return; }
    this.state.layer = at.row.members[0];
    if (at.panel) this.state.step = at.panel.entry.summary.steps[at.index];
    this.update();
  }

  key(event) {
    const { rows } = this.drawn;
    const entry = this.loaded[this.state.run];
    const move = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (!move && event.key !== 'Enter') return;
    event.preventDefault();
    let number = rows.findIndex((row) => row.members.includes(this.state.layer));
    if (event.key === 'Enter') { if (number >= 0 && rows[number].folded) this.fold(rows[number].group); else this.update(); return; }
    number = Math.max(0, Math.min(rows.length - 1, number + move[0]));
    const index = Math.max(0, Math.min(entry.summary.steps.length - 1, this.stepIndex(entry) + move[1]));
    this.state.layer = rows[number].members[0];
    this.state.step = entry.summary.steps[index];
    this.update();
  }

  async fillDetails() {
    const { run, layer } = this.state;
    const box = $('details');
    const entry = this.loaded[run];
    if (layer < 0 || layer >= entry.summary.layers.length) { box.style.display = 'none'; box.dataset.shown = ''; box.replaceChildren(); return; }
    const key = `${run} ${layer} ${entry.summary.steps.length}`;
    if (box.dataset.shown !== key) {
      const [details, histograms] = await Promise.all([this.source.details(run, layer), this.source.histograms(run, layer).catch(() => [])]);
      if (this.state.run !== run || this.state.layer !== layer) return;
      box.dataset.shown = key;
      const { name, type } = entry.summary.layers[layer];
      box.innerHTML = `<h2>${escape(name)} (${escape(type)}) <button id="close">Close</button></h2><div id="charts"></div><div id="histograms"></div>`;
      $('close').onclick = () => { this.state.layer = -1; this.update(); };
      for (const series of details.series) $('charts').appendChild(chart(series, details.steps));
      box.style.display = 'block';
      this.histograms = histograms;
      this.drawHistograms();  // needs a width
    }
  }

  drawHistograms() {
    const box = $('histograms');
    if (!box) return;
    box.replaceChildren();
    for (const histogram of this.histograms) drawHistogram(box, histogram);
  }
}

function chart({ name, values }, steps) {
  const figure = document.createElement('figure');
  const known = values.filter((value) => value !== null);
  const positive = known.filter((value) => value > 0);
  const log = positive.length === known.length && known.length > 0 && Math.max(...positive) / Math.min(...positive) > 50;
  const of = (value) => (log ? Math.log10(value) : value);
  let low = Math.min(...known.map(of)); let high = Math.max(...known.map(of));
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  const first = steps[0]; const span = Math.max(1, steps.at(-1) - first);
  const x = (step) => (4 + (step - first) / span * 192).toFixed(1);
  let path = ''; let pen = false; let marks = '';
  values.forEach((value, k) => {
    if (value === null) { marks += `<rect x="${x(steps[k])}" y="0" width="1.5" height="6" fill="${rgb(NOT_FINITE)}"/>`; pen = false; return; }
    path += `${pen ? 'L' : 'M'}${x(steps[k])} ${(76 - (of(value) - low) / (high - low) * 68).toFixed(1)}`;
    pen = true;
  });
  const last = values.at(-1);
  figure.innerHTML = `<figcaption>${escape(name)}: ${format(last)} at the last step</figcaption>
    <svg viewBox="0 0 200 80" preserveAspectRatio="none" role="img" aria-label="${escape(name)} over the steps">
    <path d="${path}" fill="none" style="stroke: var(--accent)" stroke-width="1.2" vector-effect="non-scaling-stroke"/>${marks}</svg>
    <figcaption>${known.length ? `${format(Math.min(...known))} to ${format(Math.max(...known))}${log ? ', log axis' : ''}` : 'no finite number'}</figcaption>`;
  return figure;
}

// A heat map: columns are recorded steps, the height is the value, the colour the share of the
// numbers in a bin. Each column has the bins of its own step, between its smallest and its largest
// number. Where the extent changes much, the axis is linear near 0 and logarithmic farther away.
function drawHistogram(box, { name, steps, low, high, shares }) {
  const figure = document.createElement('figure');
  const extents = steps.map((_, k) => Math.max(Math.abs(low[k]), Math.abs(high[k])));
  const positive = extents.filter((value) => value > 0);
  const smallest = Math.min(...positive); const widest = Math.max(...positive);
  const log = widest / smallest > 50;
  const unit = Math.max(smallest, widest / 1e5);
  const to = (value) => (log ? Math.asinh(value / unit) : value);
  const back = (place) => (log ? Math.sinh(place) * unit : place);
  let bottom = Math.min(...low.map(to)); let top = Math.max(...high.map(to));
  if (!(top > bottom)) { const more = Math.abs(top) / 2 || 1; bottom -= more; top += more; }
  // One bin with all of a step's numbers would make the others pale.
  const several = shares.filter((row) => row.length > 1);
  const largest = several.length ? Math.max(...several.flat()) : 1;
  figure.innerHTML = `<figcaption>${escape(name)}</figcaption>
    <canvas role="img" aria-label="${escape(name)}, ${steps.length} steps from ${steps[0]} to ${steps.at(-1)}, values from ${format(Math.min(...low))} to ${format(Math.max(...high))}"></canvas>
    <figcaption>share of a step's numbers in a bin: 0 <canvas style="display:inline-block;width:80px;height:10px" width="80" height="1"></canvas> ${+(100 * largest).toPrecision(2)} %${log ? '; axis linear near 0, logarithmic beyond' : ''}</figcaption>`;
  box.appendChild(figure);
  const [canvas, bar] = figure.querySelectorAll('canvas');
  const density = window.devicePixelRatio || 1;
  const left = 62; const width = canvas.clientWidth - left - 8; const above = 8; const height = 190 - above - 34;
  canvas.width = canvas.clientWidth * density; canvas.height = 190 * density;
  const draw = canvas.getContext('2d');
  draw.scale(density, density);
  draw.font = '11px Roboto, system-ui, sans-serif';
  const neutral = isDark() ? [41, 42, 45] : [248, 249, 250];
  const color = (share) => rgb(mix([neutral, ...theme(BLUE)], (share / largest) ** 0.4));  // small shares are seen too
  const y = (value) => above + (top - to(value)) / (top - bottom) * height;
  const x = (k) => left + k / steps.length * width;
  draw.fillStyle = rgb(neutral);
  draw.fillRect(left, above, width, height);
  shares.forEach((row, k) => row.forEach((share, bin) => {
    if (!share) return;
    const size = (high[k] - low[k]) / row.length;
    const upper = y(low[k] + (bin + 1) * size); const lower = y(low[k] + bin * size);
    draw.fillStyle = color(share);
    const thick = Math.max(2, lower - upper + 0.4);
    draw.fillRect(x(k), (upper + lower - thick) / 2, x(k + 1) - x(k) + 0.4, thick);
  }));
  draw.strokeStyle = css('--line');
  draw.strokeRect(left - 0.5, above - 0.5, width + 1, height + 1);
  draw.fillStyle = css('--soft');
  draw.textAlign = 'right'; draw.textBaseline = 'middle';
  const marks = [[top, above], [bottom, above + height]];
  if (bottom < 0 && top > 0 && Math.min(y(0) - above, above + height - y(0)) > 14) marks.push([0, y(0)]);
  for (const [place, at] of marks) draw.fillText(short(back(place)), left - 5, at);
  draw.save();
  draw.translate(10, above + height / 2); draw.rotate(-Math.PI / 2); draw.textAlign = 'center';
  draw.fillText('value', 0, 0);
  draw.restore();
  draw.textBaseline = 'alphabetic';
  draw.textAlign = 'left'; draw.fillText(steps[0].toLocaleString('en'), left, above + height + 14);
  draw.textAlign = 'right'; if (steps.length > 1) draw.fillText(steps.at(-1).toLocaleString('en'), left + width, above + height + 14);
  draw.textAlign = 'center'; draw.fillText('step', left + width / 2, above + height + 26);
  const scale = bar.getContext('2d');
  for (let k = 0; k < 80; k++) { scale.fillStyle = color(k / 79 * largest); scale.fillRect(k, 0, 1, 1); }
  canvas.onmousemove = (event) => {
    const k = Math.floor((event.offsetX - left) / width * steps.length);
    if (k < 0 || k >= steps.length) { canvas.title = ''; return; }
    const value = back(top - (event.offsetY - above) / height * (top - bottom));
    const size = (high[k] - low[k]) / shares[k].length;
    const bin = size ? Math.floor((value - low[k]) / size) : 0;
    const share = shares[k][bin];
    canvas.title = `step ${steps[k].toLocaleString('en')}: ${format(low[k])} to ${format(high[k])}` +
      (share === undefined ? '' : `; ${+(100 * share).toPrecision(3)} % from ${format(low[k] + bin * size)} to ${format(low[k] + (bin + 1) * size)}`);
  };
}

const short = (value) => (value === 0 ? '0' : Math.abs(value) >= 0.01 && Math.abs(value) < 10000 ? String(+value.toPrecision(3)) : value.toExponential(1));

// The page opens on the scale of activations, or where that shows none of the layers to look at
// first, on the statistic that shows the first of them.
function firstView(summary) {
  const seen = ['not_finite', 'dead', 'saturated', 'exploding', 'vanishing'];
  const [first] = summary.look_first;
  const elsewhere = first && !summary.look_first.some((notice) => seen.includes(notice.reason));
  const view = elsewhere ? first.view : 'activation_scale';
  return summary.views.some((v) => v.name === view) ? view : summary.views[0]?.name;
}

function severity(reason) {
  if (reason === 'not_finite') return NOT_FINITE;
  if (reason === 'dead' || reason === 'no_gradient') return isDark() ? [255, 255, 255] : [0, 0, 0];
  return theme(reason.endsWith('exploding') || reason.endsWith('large') ? ORANGE : BLUE)[2];
}

function nearest(steps, step) {
  let low = 0; let high = steps.length - 1;
  while (low < high) { const middle = (low + high) >> 1; if (steps[middle] < step) low = middle + 1; else high = middle; }
  return low > 0 && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
}

function fit(draw, text, width) {
  while (text.length > 3 && draw.measureText(text).width > width) text = `${text.slice(0, -2)}…`;
  return text;
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function followTheme(changed) {
  const look = () => {
    let dark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    try {
      if (window.parent !== window) dark = window.parent.document.body.classList.contains('dark-mode');
    } catch (error) { /* a parent of another origin: the system's choice stays */ }
    const before = isDark();
    document.documentElement.classList.toggle('dark', dark);
    if (before !== dark) changed();
  };
  look();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', look);
  try {
    if (window.parent !== window) new MutationObserver(look).observe(window.parent.document.body, { attributes: true, attributeFilter: ['class'] });
  } catch (error) { /* as above */ }
}

// The view is part of the address, so that it can be shared: `#keras_dlnotes_layers&p.…view=…`.
class Address {
  constructor(top) { this.top = top; }
  read() {
    const found = {};
    for (const part of this.top.location.hash.replace(/^#/, '').split('&')) {
      const [name, value] = part.split('=');
      const key = name.startsWith(`p.${PLUGIN}.`) ? name.slice(`p.${PLUGIN}.`.length) : null;
      if (key) found[key] = decodeURIComponent(value || '');
    }
    return found;
  }
  write(state) {
    const parts = Object.entries(state).filter(([, value]) => value !== '' && value !== -1)
      .map(([key, value]) => `p.${PLUGIN}.${key}=${encodeURIComponent(value)}`);
    const hash = `#${[PLUGIN, ...parts].join('&')}`;
    if (this.top.location.hash !== hash) this.top.history.replaceState(this.top.history.state, '', hash);
  }
}

function topWindow() {
  try { return window.parent.location.hash === undefined ? window : window.parent; } catch (error) { return window; }
}

// Called by TensorBoard.
export async function render() {
  await new LayersPage(new ServerSource('./'), new Address(topWindow())).start();
}

// Called by a report, with everything in the page.
export async function renderEmbedded(runs) {
  await new LayersPage(new EmbeddedSource(runs), new Address(window)).start();
}
