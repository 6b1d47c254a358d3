(function () {
  "use strict";
  var box = document.getElementById("turn");
  var stage = document.getElementById("turn-stage");
  var message = document.getElementById("turn-message");
  if (!box || !stage) { return; }
  var view = JSON.parse(document.getElementById("turn-data").textContent);
  function say(text) { message.hidden = !text; message.textContent = text; }
  function escaped(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }
  async function unpack(text) {
    var bytes = Uint8Array.from(atob(text), function (c) { return c.charCodeAt(0); });
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }
  function channels(colour) {
    return [1, 3, 5].map(function (i) { return parseInt(colour.slice(i, i + 2), 16); });
  }
  function css(rgb) { return "rgb(" + Math.round(rgb[0]) + "," + Math.round(rgb[1]) + "," + Math.round(rgb[2]) + ")"; }
  var palette = view.colours.map(channels);
  function folded(fold) { return 169 + 51 * fold / 100; }
  function colours(side, layer) {
    var made = new Array(side.label.length);
    var strong = layer < 0 ? null : palette[view.names.indexOf(view.layers[layer])];
    for (var v = 0; v < made.length; v++) {
      var grey = folded(side.fold[v]);
      if (side.label[v] === 255) { made[v] = "rgb(143,143,141)"; continue; }
      var share, colour;
      if (layer < 0) {
        share = side.label[v] > 0 ? 0.92 : 0;
        colour = palette[side.label[v]];
      } else {
        share = Math.min(1, side.layers[layer][v] / 90);
        colour = strong;
      }
      var dim = 0.86 + 0.14 * side.fold[v] / 100;
      made[v] = css(colour.map(function (c) { return (1 - share) * grey + share * c * dim; }));
    }
    return made;
  }
  function words(side, name) {
    var made = new Array(side.label.length);
    for (var v = 0; v < made.length; v++) {
      if (side.label[v] === 255) { made[v] = name + "<br>no data"; continue; }
      var text = "<b>" + escaped(view.names[side.label[v]]) + "</b>, " + name;
      if (side.label[v] > 0) { text += "<br>probability " + (side.winning[v] / 100).toFixed(2); }
      for (var i = 0; i < view.layers.length; i++) {
        text += "<br>" + escaped(view.layers[i]) + " " + (side.layers[i][v] / 100).toFixed(2);
      }
      made[v] = text;
    }
    return made;
  }
  var eyes = {
    left: [-1.4, 0, 0.2], right: [1.4, 0, 0.2], top: [0, -0.02, 1.6], front: [0, 1.5, 0.2], back: [0, -1.5, 0.2]
  };
  function camera(name) {
    var eye = eyes[name];
    return {
      eye: { x: eye[0], y: eye[1], z: eye[2] }, center: { x: 0, y: 0, z: 0 },
      up: name === "top" ? { x: 0, y: 1, z: 0 } : { x: 0, y: 0, z: 1 }
    };
  }
  // L and R at the edges follow the camera; seen from a side, its name stands at the left edge.
  function letters(seen) {
    if (!seen || !seen.eye || !seen.up) { return; }
    var e = seen.eye, u = seen.up;
    var x = -(e.y * u.z - e.z * u.y), y = -(e.z * u.x - e.x * u.z), z = -(e.x * u.y - e.y * u.x);
    var right = x / (Math.hypot(x, y, z) || 1);
    var named = right > 0.35 ? ["L", "R"] : right < -0.35 ? ["R", "L"] : [e.x < 0 ? "L, from the left" : "R, from the right", ""];
    document.getElementById("turn-left").textContent = named[0];
    document.getElementById("turn-right").textContent = named[1];
  }
  // The head: pial surfaces, a scalp to look through, and every coil as lines; made when first asked for.
  function lines(points, colour, width, text) {
    var along = function (i) { return points.map(function (p) { return p[i]; }); };
    return {
      type: "scatter3d", mode: "lines", x: along(0), y: along(1), z: along(2), line: { color: colour, width: width },
      hoverinfo: "text", hovertext: text
    };
  }
  function labels(points, texts, more) {
    var along = function (i) { return points.map(function (p) { return p[i]; }); };
    return Object.assign({
      type: "scatter3d", x: along(0), y: along(1), z: along(2), text: texts, hoverinfo: "text",
      textfont: { size: 15, color: "#1c2430" }
    }, more);
  }
  async function headTraces(sides) {
    var head = view.head, made = [];
    function mesh(vertices, faces) {
      var n = vertices.length / 3, f = faces.length / 3;
      var axis = function (i) {
        return Float32Array.from(vertices.subarray(i * n, (i + 1) * n), function (v) { return v * head.step; });
      };
      return {
        type: "mesh3d", x: axis(0), y: axis(1), z: axis(2),
        i: faces.subarray(0, f), j: faces.subarray(f, 2 * f), k: faces.subarray(2 * f),
        flatshading: false, lightposition: { x: -400, y: 600, z: 1600 },
        lighting: { ambient: 0.62, diffuse: 0.55, specular: 0.06, roughness: 0.9, fresnel: 0.05 }
      };
    }
    for (var s = 0; s < sides.length; s++) {
      var cortex = mesh(new Int16Array(await unpack(head.pial[s])), sides[s].faces);
      made.push(Object.assign(cortex, {
        vertexcolor: colours(sides[s], -1), text: words(sides[s], view.hemispheres[s].name), hoverinfo: "text"
      }));
    }
    var scalp = mesh(
      new Int16Array(await unpack(head.scalp.vertices)), new Uint16Array(await unpack(head.scalp.faces)));
    made.push(Object.assign(scalp, { color: "#c9bfb6", opacity: 0.28, hoverinfo: "skip" }));
    for (var coil of head.coils) {
      var text = "<b>" + escaped(coil.mark) + "</b> " + escaped(coil.name);
      for (var line of coil.lines) { made.push(lines(line, coil.colour, 7, text)); }
      made.push(lines(coil.handle, coil.colour, 14, text + "<br>handle"));
      var end = coil.handle[coil.handle.length - 1];
      made.push(labels([end], ["<b>" + escaped(coil.mark) + "</b> handle"], {
        mode: "text", textposition: "bottom center", hovertext: [text]
      }));
      made.push(lines([coil.middle, coil.aim], "#1c2430", 3, text));
      made.push(labels([coil.aim], [""], {
        mode: "markers", hovertext: [text + "<br>target"],
        marker: { size: 7, symbol: "diamond", color: coil.colour, line: { color: "#ffffff", width: 1 } }
      }));
    }
    return made;
  }
  async function start() {
    if (typeof DecompressionStream === "undefined") {
      say("This browser is too old for the view that can be turned; the pictures above show the same.");
      return;
    }
    say("Loading …");
    var code = document.createElement("script");
    code.textContent = new TextDecoder().decode(await unpack(document.getElementById("turn-plotly").textContent));
    document.head.appendChild(code);
    var traces = [], sides = [];
    for (var part of view.hemispheres) {
      var vertices = new Int16Array(await unpack(part.vertices));
      var faces = new Uint16Array(await unpack(part.faces));
      var side = { layers: [] };
      for (var name of ["label", "fold", "winning"]) { side[name] = new Uint8Array(await unpack(part[name])); }
      for (var layer of part.layers) { side.layers.push(new Uint8Array(await unpack(layer))); }
      var n = vertices.length / 3, f = faces.length / 3;
      var axis = function (i) {
        return Float32Array.from(vertices.subarray(i * n, (i + 1) * n), function (v) { return v * view.step; });
      };
      traces.push({
        type: "mesh3d", name: part.name, x: axis(0), y: axis(1), z: axis(2),
        i: faces.subarray(0, f), j: faces.subarray(f, 2 * f), k: faces.subarray(2 * f),
        vertexcolor: colours(side, -1), text: words(side, part.name), hoverinfo: "text", flatshading: false,
        lighting: { ambient: 0.62, diffuse: 0.55, specular: 0.06, roughness: 0.9, fresnel: 0.05 },
        lightposition: { x: -400, y: 600, z: 1600 }
      });
      side.faces = faces;
      sides.push(side);
    }
    if (view.targets.length) {
      var along = function (i) { return view.targets.map(function (t) { return t.at[i]; }); };
      traces.push({
        type: "scatter3d", mode: "markers+text", x: along(0), y: along(1), z: along(2),
        text: view.targets.map(function (t) { return "<b>" + t.rank + "</b>"; }),
        hovertext: view.targets.map(function (t) { return "target " + t.rank + "<br>" + escaped(t.name); }),
        hoverinfo: "text", textposition: "middle center", textfont: { size: 13, color: "#1c2430" },
        marker: { size: 15, color: "#ffffff", line: { color: "#1c2430", width: 2 } }
      });
    }
    var bare = { visible: false, showspikes: false };
    var layout = {
      scene: { xaxis: bare, yaxis: bare, zaxis: bare, aspectmode: "data", camera: camera("left"), dragmode: "orbit" },
      margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "#ffffff",
      hoverlabel: { bgcolor: "#ffffff", bordercolor: "#1c2430", font: { color: "#1c2430", size: 13 }, align: "left" }
    };
    await window.Plotly.newPlot(stage, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    say("");
    letters(camera("left"));
    stage.on("plotly_relayouting", function (change) { letters(change["scene.camera"]); });
    stage.on("plotly_relayout", function (change) { letters(change["scene.camera"]); });
    for (var button of box.querySelectorAll("button[data-eye]")) {
      button.addEventListener("click", function (event) {
        window.Plotly.relayout(stage, { "scene.camera": camera(event.currentTarget.dataset.eye) });
      });
    }
    var flat = traces.map(function (_, i) { return i; }), around = [], legend = document.getElementById("turn-coils");
    async function showHead(on) {
      if (on && !around.length) {
        var more = await headTraces(sides);
        await window.Plotly.addTraces(stage, more);
        around = more.map(function (_, i) { return flat.length + i; });
      }
      if (around.length) {
        await window.Plotly.restyle(stage, { visible: on }, around);
        await window.Plotly.restyle(stage, { visible: !on }, flat);
      }
      if (legend) { legend.hidden = !on; }
      box.dataset.shown = on ? "head" : "cortex";
    }
    box.querySelector("select").addEventListener("change", async function (event) {
      await showHead(event.target.value === "head");
      if (event.target.value === "head") { return; }
      var layer = Number(event.target.value);
      window.Plotly.restyle(stage, { vertexcolor: sides.map(function (side) { return colours(side, layer); }) }, [0, 1]);
    });
    box.dataset.ready = "yes";
  }
  var begun = false;
  function begin() {
    if (begun) { return; }
    begun = true;
    start().catch(function () { say("The view could not be drawn here; the pictures above show the same."); });
  }
  box.hidden = false;
  if (typeof IntersectionObserver === "undefined") { begin(); return; }
  var watch = new IntersectionObserver(function (entries) {
    if (entries.some(function (entry) { return entry.isIntersecting; })) { watch.disconnect(); begin(); }
  }, { rootMargin: "200px" });
  watch.observe(box);
  window.setTimeout(begin, 4000);  // the page above it has been drawn and can be read by then
})();
