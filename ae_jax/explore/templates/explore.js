// Shows the contents of an explorer below a root that holds the markup of parts.html. Where the contents have no decoder,
// ask(codes, condition) promises decoded examples as 32-bit floats in base64; null where nothing can decode.
function mountExplorer(root, contents, ask) {
  const part = name => root.querySelector(`[data-part="${name}"]`);
  const bytes = text => Uint8Array.from(atob(text), each => each.charCodeAt(0));
  const floats = text => new Float32Array(bytes(text).buffer);
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const short = value => Number.isFinite(value) ? String(+value.toPrecision(4)) : "unknown";

  const { kind, shape, rows, low, high, units, decoder, conditions } = contents;
  const count = rows.length, width = contents.mean.length, size = shape.reduce((a, b) => a * b, 1);
  const COLOURS = ["#332288", "#E69F00", "#117733", "#CC6677", "#56B4E9", "#882255", "#44AA99", "#999933", "#AA4499", "#777777"];
  const LIGHTER = ["#8f84e0", "#E69F00", "#4cb574", "#e08896", "#56B4E9", "#d4689f", "#44AA99", "#b8b84a", "#cf7fc9", "#cccccc"];
  const MARKS = ["●", "■", "▲", "◆", "▼", "✚"];
  const RAMP = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]]; // cividis
  const scale = floats(contents.scale), codes = floats(contents.codes);
  const stored = text => contents.bytes ? Float32Array.from(bytes(text), each => low + each / 255 * (high - low)) : floats(text);
  const x = stored(contents.x), made = stored(contents.made);
  const row = (values, place, length) => values.subarray(place * length, (place + 1) * length);
  const nameOfExample = place => contents.ids ? contents.ids[place] : rows[place];
  const conditionOf = place => conditions ? conditions[place] : null;

  const isDark = () => getComputedStyle(root).backgroundColor.match(/\d+/g).slice(0, 3).every(each => each < 100);
  const ramp = share => {
    const place = Math.min(Math.max(share || 0, 0), 1) * (RAMP.length - 1), first = Math.min(Math.floor(place), RAMP.length - 2);
    return RAMP[first].map((value, channel) => Math.round(value + (place - first) * (RAMP[first + 1][channel] - value)));
  };

  const shade = (share, dark) => `rgb(${ramp(dark ? 0.2 + 0.8 * share : share)})`; // of the map, visible on its background

  // Decoding, by the weights of a perceptron or by whoever is asked.
  const ACTIVATIONS = {
    linear: v => v, relu: v => Math.max(v, 0), tanh: Math.tanh, sigmoid: v => 1 / (1 + Math.exp(-v)),
    elu: v => v > 0 ? v : Math.expm1(v), leaky_relu: v => v > 0 ? v : 0.01 * v, silu: v => v / (1 + Math.exp(-v)),
    selu: v => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v)),
    softplus: v => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))),
    gelu: v => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
  };
  const affine = ({ kernel, bias }, input) => {
    const output = Float64Array.from(bias);
    input.forEach((value, place) => {
      if (value) for (let unit = 0, start = place * bias.length; unit < bias.length; unit++) output[unit] += value * kernel[start + unit];
    });
    return output;
  };
  const unpack = layers => layers.map(({ kernel, bias }) => ({ kernel: floats(kernel), bias: floats(bias) }));
  const network = decoder && { ...decoder, layers: unpack(decoder.layers), linear: unpack(decoder.linear),
    scale: floats(decoder.scale), offset: floats(decoder.offset) };
  const forward = (code, condition) => {
    let hidden = Float64Array.from([...code, ...Array.from({ length: network.condition }, (_, each) => +(each === condition))]);
    network.layers.forEach((layer, depth) => {
      hidden = affine(layer, hidden);
      if (depth < network.layers.length - 1) hidden = hidden.map(ACTIVATIONS[network.activation]);
    });
    for (const layer of network.linear) affine(layer, code).forEach((value, place) => { hidden[place] += value; });
    return Float32Array.from({ length: size }, (_, feature) => {
      const output = hidden[feature * network.outputs];
      return (network.logistic ? ACTIVATIONS.sigmoid(output) : output) * network.scale[feature] + network.offset[feature];
    });
  };
  const decode = async (asked, condition) =>
    network ? asked.map(code => forward(code, condition)) : (await ask(asked, condition)).map(floats);
  const canDecode = Boolean(network || ask);
  // Runs the latest of many requests at a time, so that a slow decoder never lags behind a slider.
  const latest = run => {
    let busy = false, next = null;
    return async (...given) => {
      next = given;
      if (busy) return;
      busy = true;
      try {
        while (next) { const now = next; next = null; await run(...now); }
      } catch (error) {
        part("latents-note").textContent = `The decoder did not answer: ${error.message}`;
      } finally { busy = false; }
    };
  };

  // Drawing of examples: images as pixels, time series as lines, tables as bars.
  const ends = Array.from({ length: kind === "table" ? size : 0 }, (_, feature) => {
    let least = Infinity, most = -Infinity;
    for (let place = 0; place < count; place++) { const v = x[place * size + feature]; least = Math.min(least, v); most = Math.max(most, v); }
    return [least, most > least ? most : least + 1];
  });
  const share = (value, feature) => kind === "table" ? (value - ends[feature][0]) / (ends[feature][1] - ends[feature][0]) : (value - low) / ((high - low) || 1);
  const paint = (canvas, values, label, { heat = false, behind = null } = {}) => {
    canvas.setAttribute("aria-label", label);
    const most = heat ? Math.max(...values) || 1 : 1, shareOf = (value, feature) => heat ? value / most : share(value, feature);
    if (kind === "image") {
      const [height, across, channels = 1] = shape;
      Object.assign(canvas, { width: across, height });
      const context = canvas.getContext("2d"), pixels = context.createImageData(across, height);
      for (let place = 0; place < height * across; place++) {
        const of = channel => shareOf(values[place * channels + Math.min(channel, channels - 1)], 0);
        const colour = heat ? ramp((of(0) + of(1) + of(2)) / 3) : [0, 1, 2].map(channel => Math.min(Math.max(of(channel), 0), 1) * 255);
        pixels.data.set([...colour, 255], place * 4);
      }
      context.putImageData(pixels, 0, 0);
      return;
    }
    Object.assign(canvas, { width: 320, height: 220 }).style.imageRendering = "auto";
    const context = canvas.getContext("2d"), [time, channels = 1] = shape, length = kind === "table" ? size : time;
    const up = (value, feature) => 210 - 200 * Math.min(Math.max(shareOf(value, feature), -0.05), 1.05);
    const lines = (of, colour, thickness) => {
      Object.assign(context, { strokeStyle: colour, lineWidth: thickness });
      for (let channel = 0; channel < channels; channel++) {
        context.beginPath();
        for (let step = 0; step < time; step++) context.lineTo(5 + 310 * step / (time - 1 || 1), up(of[step * channels + channel], 0));
        context.stroke();
      }
    };
    const accent = getComputedStyle(root.querySelector("button")).color, soft = isDark() ? "#8a949e" : "#9aa4ae";
    if (kind === "series") {
      if (behind) lines(behind, soft, 2);
      lines(values, heat ? "#D55E00" : isDark() ? "#6fb9e6" : "#0072B2", 3);
      return;
    }
    const step = 310 / length;
    for (let feature = 0; feature < length; feature++) {
      context.fillStyle = heat ? "#D55E00" : isDark() ? "#6fb9e6" : "#0072B2";
      context.fillRect(5 + feature * step, up(values[feature], feature), Math.max(step - 2, 1), 214 - up(values[feature], feature));
      context.fillStyle = accent;
      if (behind) context.fillRect(5 + feature * step, up(behind[feature], feature) - 2, Math.max(step - 2, 1), 4);
    }
  };
  const nameOf = feature => {
    if (contents.features.length === size) return contents.features[feature];
    if (kind === "series") return `time ${Math.floor(feature / (shape[1] || 1))}${shape[1] > 1 ? `, channel ${feature % shape[1]}` : ""}`;
    if (kind === "table") return `feature ${feature}`;
    const [, across, channels = 1] = shape, pixel = Math.floor(feature / channels);
    return `row ${Math.floor(pixel / across)}, column ${pixel % across}${channels > 1 ? `, channel ${feature % channels}` : ""}`;
  };

  // The map.
  const canvas = part("map"), view = { zoom: 1, x: 0, y: 0 };
  let selected = 0, places = [], colour = null, code = Array.from(contents.mean), start = 0, end = Math.min(1, count - 1);
  const colours = Object.fromEntries(Object.entries(contents.colours).map(([name, of]) => {
    if (typeof of !== "string") return [name, of];
    const values = floats(of), sorted = Array.from(values).filter(Number.isFinite).sort((a, b) => a - b);
    return [name, { values, least: sorted[0], most: sorted[Math.floor(0.98 * (sorted.length - 1))] }];
  }));
  const textOf = (name, place) => colours[name].names ? colours[name].names[colours[name].places[place]] : short(colours[name].values[place]);
  const onCanvas = () => {
    const bounds = canvas.getBoundingClientRect(), side = Math.min(bounds.width, bounds.height) - 36;
    return ([across, up]) => [
      bounds.width / 2 + view.zoom * ((across - 0.5) * side + view.x), bounds.height / 2 - view.zoom * ((up - 0.5) * side - view.y)];
  };
  const draw = () => {
    const bounds = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(bounds.width * ratio), height: Math.round(bounds.height * ratio) });
    const context = canvas.getContext("2d"), locate = onCanvas(), dark = isDark(), palette = dark ? LIGHTER : COLOURS;
    context.scale(ratio, ratio);
    Object.assign(context, { textAlign: "center", textBaseline: "middle", globalAlpha: 0.85 });
    places.forEach((place, index) => {
      const [across, up] = locate(place), kindOf = colour.names ? colour.places[index] : 0;
      context.fillStyle = colour.names ? palette[kindOf % palette.length] : shade((colour.values[index] - colour.least) / (colour.most - colour.least), dark);
      context.font = `${kindOf % MARKS.length ? 11 : 15}px sans-serif`; // a circle is a small character
      context.fillText(MARKS[kindOf % MARKS.length], across, up);
    });
    context.globalAlpha = 1;
    context.strokeStyle = getComputedStyle(root).color;
    context.lineWidth = 2.5;
    const [across, up] = locate(places[selected]);
    context.beginPath();
    context.arc(across, up, 9, 0, 2 * Math.PI);
    context.stroke();
  };
  const chooseMap = name => {
    const all = floats(contents.maps[name].places), flat = [0, 1].map(axis => Array.from({ length: count }, (_, place) => all[2 * place + axis]));
    const least = flat.map(values => Math.min(...values)), spans = flat.map((values, axis) => Math.max(...values) - least[axis]);
    const span = Math.max(...spans) || 1, apart = width === 1 ? spans.map(each => each || 1) : [span, span];
    places = flat[0].map((_, place) => [0, 1].map(axis => 0.5 + (flat[axis][place] - least[axis] - spans[axis] / 2) / apart[axis]));
    part("axes").textContent = `Across: ${contents.maps[name].axes[0]}. Up: ${contents.maps[name].axes[1]}.`;
    resetView();
  };
  const chooseColour = name => {
    colour = colours[name];
    const palette = isDark() ? LIGHTER : COLOURS;
    part("legend").replaceChildren(...(colour.names
      ? colour.names.map((label, place) => {
        const mark = make("span", { textContent: MARKS[place % MARKS.length], ariaHidden: "true" });
        mark.style.color = palette[place % palette.length];
        return make("span", {}, mark, ` ${label}`);
      })
      : [make("span", { textContent: short(colour.least) }), make("span", { className: "ramp" }), make("span", { textContent: `${short(colour.most)} or more` })]));
    for (const each of root.querySelectorAll(".ramp")) each.style.background = `linear-gradient(to right, ${RAMP.map((_, stop) => shade(stop / (RAMP.length - 1), isDark())).join(", ")})`;
    draw();
  };
  const resetView = () => { Object.assign(view, { zoom: 1, x: 0, y: 0 }); draw(); };
  const zoomBy = (factor, across = 0, up = 0) => { // about a point relative to the middle
    const zoom = Math.min(Math.max(view.zoom * factor, 0.5), 60);
    view.x += across / zoom - across / view.zoom;
    view.y += up / zoom - up / view.zoom;
    view.zoom = zoom;
    draw();
  };
  const nearest = (across, up) => {
    const locate = onCanvas();
    let found = -1, least = 28;
    places.forEach((place, index) => {
      const [a, u] = locate(place), apart = Math.hypot(a - across, u - up);
      if (apart < least) [found, least] = [index, apart];
    });
    return found;
  };
  const pointers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (pointers.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", event => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const apart = () => { const [[a, b], [c, d]] = [...pointers.values()]; return Math.hypot(a - c, b - d); };
    const distance = pointers.size === 2 ? apart() : 0;
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    const [across, up] = [event.offsetX - before[0], event.offsetY - before[1]];
    moved += Math.abs(across) + Math.abs(up);
    if (pointers.size === 2) zoomBy(apart() / (distance || 1));
    else if (moved > 4) { view.x += across / view.zoom; view.y += up / view.zoom; draw(); }
  });
  canvas.addEventListener("pointerup", event => {
    if (pointers.delete(event.pointerId) && moved <= 4) { const found = nearest(event.offsetX, event.offsetY); if (found >= 0) select(found); }
  });
  canvas.addEventListener("pointercancel", event => pointers.delete(event.pointerId));
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const bounds = canvas.getBoundingClientRect();
    zoomBy(Math.exp(-event.deltaY / 400), event.offsetX - bounds.width / 2, event.offsetY - bounds.height / 2);
  }, { passive: false });
  const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  canvas.addEventListener("keydown", event => {
    const direction = DIRECTIONS[event.key], zoom = { "+": 1.4, "=": 1.4, "-": 1 / 1.4 }[event.key];
    if (!direction && !zoom && event.key !== "0") return;
    event.preventDefault();
    if (zoom) return zoomBy(zoom);
    if (!direction) return resetView();
    let found = selected, least = Infinity;
    places.forEach(([across, up], index) => {
      const [a, u] = [across - places[selected][0], up - places[selected][1]];
      const along = a * direction[0] + u * direction[1], aside = Math.abs(a * direction[1]) + Math.abs(u * direction[0]);
      if (along > 0 && along >= aside && along + 2 * aside < least) [found, least] = [index, along + 2 * aside];
    });
    select(found);
  });

  // The selected example.
  const describe = place => [`example ${nameOfExample(place)}`, ...Object.keys(colours).map(name => `${name} ${textOf(name, place)}`)].join(", ");
  const thumbnail = (values, label, caption, picked) => {
    const picture = make("canvas", {});
    picture.setAttribute("role", "img");
    paint(picture, values, label);
    return picked ? make("button", { type: "button", onclick: picked }, picture, caption) : make("div", {}, picture, caption);
  };
  const select = place => {
    selected = place;
    const [original, remade] = [row(x, place, size), row(made, place, size)];
    const errors = Float32Array.from(original, (value, feature) => ((value - remade[feature]) / scale[feature]) ** 2);
    const sum = errors.reduce((a, b) => a + b, 0) || 1;
    part("number").value = rows[place];
    part("status").textContent = `Example ${nameOfExample(place)}: ${Object.keys(colours).map(name => `${name} ${textOf(name, place)}`).join(", ")}.`;
    paint(part("original"), original, `original of ${describe(place)}`);
    paint(part("made"), remade, `reconstruction of ${describe(place)}`, { behind: original });
    paint(part("errors"), errors, "squared error of each feature", { heat: true });
    const order = Array.from(errors.keys()).sort((a, b) => errors[b] - errors[a]).slice(0, 6);
    part("features").replaceChildren(...order.map(feature => make("tr", {},
      make("td", { textContent: nameOf(feature) }), make("td", { textContent: short(original[feature]) }), make("td", { textContent: short(remade[feature]) }),
      make("td", {}, make("meter", { value: errors[feature] / sum, ariaHidden: "true" }), ` ${(100 * errors[feature] / sum).toFixed(1)}%`))));
    const own = row(codes, place, width);
    const distances = Array.from({ length: count }, (_, other) => Math.sqrt(row(codes, other, width).reduce((total, value, unit) => total + (value - own[unit]) ** 2, 0)));
    const near = Array.from(distances.keys()).filter(other => other !== place).sort((a, b) => distances[a] - distances[b]).slice(0, 8);
    part("neighbours").replaceChildren(...near.map(other =>
      thumbnail(row(x, other, size), describe(other), `${colours.label ? textOf("label", other) : nameOfExample(other)}\n${distances[other].toPrecision(2)}`, () => select(other))));
    draw();
    if (canDecode) { setCode(own); traverse(); }
  };

  // Latents, traversals and interpolation.
  const showDecoded = latest(async () => {
    const [example] = await decode([code.slice()], conditionOf(selected));
    paint(part("decoded"), example, "decoded latents", { behind: kind === "image" ? null : row(x, selected, size) });
  });
  const sliders = units.map(({ unit, low: least, high: most }) => {
    const value = make("output", {}), input = make("input", { type: "range", min: least, max: most, step: (most - least) / 200 });
    input.addEventListener("input", () => { code[unit] = +input.value; value.textContent = short(code[unit]); showDecoded(); });
    part("sliders").append(make("label", {}, `unit ${unit}`, input, value));
    return () => { input.value = code[unit]; value.textContent = short(code[unit]); };
  });
  const setCode = from => { code = Array.from(from); sliders.forEach(show => show()); showDecoded(); };
  const STEPS = 7, along = Array.from({ length: STEPS }, (_, step) => step / (STEPS - 1));
  const showTraversals = (decoded, picked) => part("traversals").replaceChildren(...units.map(({ unit, low: least, high: most }, place) =>
    make("tr", {}, make("th", { scope: "row", textContent: `unit ${unit}` }), ...along.map((share, step) => {
      const value = least + share * (most - least), label = `unit ${unit} at ${short(value)}`;
      const cell = thumbnail(decoded[place * STEPS + step], label, short(value));
      return make("td", {}, cell);
    }))));
  const traverse = latest(async () => {
    const from = Array.from(row(codes, selected, width));
    const moved = units.flatMap(({ unit, low: least, high: most }) => along.map(share => from.with(unit, least + share * (most - least))));
    if (moved.length) showTraversals(await decode(moved, conditionOf(selected)));
  });
  const interpolate = latest(async () => {
    const [from, to] = [start, end].map(place => row(codes, place, width));
    const between = along.map(share => Array.from(from, (value, unit) => value + share * (to[unit] - value)));
    const decoded = await decode(between, conditionOf(start));
    part("ends").textContent = `From example ${nameOfExample(start)} to example ${nameOfExample(end)}, in equal steps of the code.`;
    part("between").replaceChildren(...decoded.map((example, step) =>
      thumbnail(example, `step ${step + 1} of ${STEPS} from example ${nameOfExample(start)} to example ${nameOfExample(end)}`, `${Math.round(100 * along[step])}%`)));
  });

  part("title").textContent = contents.title;
  part("note").textContent = contents.note + { image: "", series: " Grey lines are the original.",
    table: " Bars reach from the lowest to the highest value shown of each feature; ticks are the original." }[kind];
  part("kinds").append(...Object.keys(contents.maps).map(name => make("option", { textContent: name })));
  part("colours").append(...Object.keys(colours).map(name => make("option", { textContent: name })));
  Object.assign(part("kinds"), { onchange: event => chooseMap(event.target.value) });
  Object.assign(part("colours"), { onchange: event => chooseColour(event.target.value) });
  Object.assign(part("number"), { max: rows.at(-1), onchange: event => select(Math.max(rows.findLastIndex(each => each <= +event.target.value), 0)) });
  part("reset").onclick = resetView;
  if (canDecode) {
    part("latents-note").textContent = `The ${units.length} units of the largest variance, each over the middle 98% of its values; the others stay as they are.`;
    part("traversals-note").textContent = "Each unit over its range, from the code of the selected example.";
    part("to-example").onclick = () => setCode(row(codes, selected, width));
    part("to-mean").onclick = () => setCode(contents.mean);
    part("first").onclick = () => { start = selected; interpolate(); };
    part("second").onclick = () => { end = selected; interpolate(); };
    interpolate();
  } else {
    part("latents-note").textContent = "Sliders and interpolation need the decoder, which this file does not hold: serve the run by ae-jax explore.";
    part("traversals-note").textContent = "Each unit over its range, from the mean code.";
    part("latents").hidden = part("interpolation").hidden = true;
    part("latents").style.display = "none";
    showTraversals(contents.traversals.map(floats));
  }
  colour = Object.values(colours)[0];
  chooseMap(Object.keys(contents.maps)[0]);
  chooseColour(Object.keys(colours)[0]);
  select(0);
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chooseColour(part("colours").value); select(selected); });
}
