// Draws on a camera's picture: writes points into the form that also works without this script.
const svg = document.querySelector("svg.drawing");
const form = document.querySelector("form.draw");
const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.01; // by which an arrow key moves a point, as a share of the picture
const FINE = 0.001; // with Shift
const SNAP = 0.01; // this close to the picture's border a point is on it
const LEAST = { zone: 3, line: 2, mask: 3 };
const MOST = { zone: 50, line: 20, mask: 50 };

function start() {
  const { width, height } = svg.viewBox.baseVal;
  const draft = svg.querySelector("g.draft");
  const text = form.elements.points;
  const kind = form.elements.kind;
  const status = form.querySelector("[role=status]");
  let points = parsed();
  let closed = points.length > 0;
  let before = []; // what Undo brings back
  let dragged = null;

  function parsed() {
    return text.value
      .split(/[\n;]/)
      .map((line) => line.trim().split(/[\s,]+/).map(Number))
      .filter((pair) => pair.length === 2 && pair.every(Number.isFinite));
  }

  function remember() {
    before.push({ points: points.map((point) => [...point]), closed });
    if (before.length > 200) before.shift();
  }

  function write() {
    text.value = points.map((point) => point.map((share) => share.toFixed(4)).join(" ")).join("\n");
  }

  function tidy(share) {
    const inside = Math.min(1, Math.max(0, share));
    return inside < SNAP ? 0 : inside > 1 - SNAP ? 1 : inside;
  }

  function shareOf(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [tidy(point.x / width), tidy(point.y / height)];
  }

  function element(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function percent(share) {
    return `${(100 * share).toFixed(1)} %`;
  }

  function tell(words) {
    status.textContent = words;
  }

  function describe(index) {
    const [x, y] = points[index];
    return `Point ${index + 1} of ${points.length}: ${percent(x)} from the left, ${percent(y)} from the top`;
  }

  function render(focused = null) {
    const isLine = kind.value === "line";
    draft.setAttribute("class", `draft area ${kind.value}`);
    draft.replaceChildren();
    if (points.length > 1) {
      const at = points.map(([x, y]) => `${x * width},${y * height}`).join(" ");
      const shape = element(closed && !isLine ? "polygon" : "polyline", { points: at });
      if (isLine) shape.setAttribute("marker-end", "url(#arrow)");
      draft.append(shape);
    }
    const radius = (9 * width) / (svg.clientWidth || width);
    points.forEach(([x, y], index) => {
      const circle = element("circle", {
        cx: x * width,
        cy: y * height,
        r: radius,
        tabindex: 0,
        role: "button",
        "aria-label": describe(index),
        "data-index": index,
      });
      draft.append(circle);
    });
    form.querySelector("[data-do=close]").disabled = isLine || closed || points.length < 3;
    form.querySelector("[data-do=undo]").disabled = before.length === 0;
    form.querySelector("[data-do=add]").disabled = points.length >= MOST[kind.value];
    form.querySelector("[data-do=clear]").disabled = points.length === 0;
    if (focused !== null && points.length) circleAt(Math.min(focused, points.length - 1)).focus();
  }

  function circleAt(index) {
    return draft.querySelector(`circle[data-index="${index}"]`);
  }

  function add(point, focused) {
    if (points.length >= MOST[kind.value]) return tell(`A ${kind.value} has at most ${MOST[kind.value]} points.`);
    remember();
    points.push(point);
    write();
    render(focused ? points.length - 1 : null);
    tell(describe(points.length - 1));
  }

  function close() {
    if (kind.value === "line" || points.length < 3) return;
    remember();
    closed = true;
    render();
    form.elements.area.focus();
    tell(`Closed, with ${points.length} points. Give it a name and keep it.`);
  }

  function undo() {
    const last = before.pop();
    if (!last) return;
    ({ points, closed } = last);
    write();
    render();
    tell(`Taken back: ${points.length} points.`);
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const index = event.target.dataset?.index;
    if (index !== undefined) {
      event.preventDefault();
      if (Number(index) === 0 && !closed && kind.value !== "line" && points.length >= 3) return close();
      remember();
      dragged = Number(index);
      svg.setPointerCapture(event.pointerId);
      circleAt(dragged).focus();
      return;
    }
    if (closed && kind.value !== "line") return tell("It is closed. Drag its points, or begin anew.");
    add(shareOf(event), false);
  });

  svg.addEventListener("pointermove", (event) => {
    if (dragged === null) return;
    points[dragged] = shareOf(event);
    write();
    render(dragged);
  });

  for (const name of ["pointerup", "pointercancel"]) {
    svg.addEventListener(name, () => {
      if (dragged !== null) tell(describe(dragged));
      dragged = null;
    });
  }

  svg.addEventListener("keydown", (event) => {
    const index = Number(event.target.dataset?.index ?? NaN);
    if (!Number.isInteger(index)) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) {
      event.preventDefault();
      remember();
      const step = event.shiftKey ? FINE : STEP;
      points[index] = points[index].map((share, axis) =>
        Math.min(1, Math.max(0, share + step * moves[event.key][axis])),
      );
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      remember();
      points.splice(index, 1);
      if (points.length < 3) closed = false;
    } else if (event.key === "Enter") {
      event.preventDefault();
      return close();
    } else {
      return;
    }
    write();
    render(index);
    tell(points.length ? describe(Math.min(index, points.length - 1)) : "No points.");
  });

  for (const area of [svg, form]) {
    area.addEventListener("keydown", (event) => {
      const typing = event.target.matches?.("input, textarea");
      if (!typing && (event.ctrlKey || event.metaKey) && event.key === "z") {
        event.preventDefault();
        undo();
      }
    });
  }

  form.querySelector(".tools").addEventListener("click", (event) => {
    const what = event.target.dataset.do;
    if (what === "add") add(points.length ? [...points[points.length - 1]] : [0.5, 0.5], true);
    if (what === "undo") undo();
    if (what === "close") close();
    if (what === "clear") {
      remember();
      points = [];
      closed = false;
      write();
      render();
      tell("No points.");
    }
  });

  form.addEventListener("submit", (event) => {
    const least = LEAST[kind.value];
    if (points.length >= least) return;
    event.preventDefault();
    tell(`A ${kind.value} needs at least ${least} points. It has ${points.length}.`);
  });

  text.addEventListener("input", () => {
    points = parsed();
    closed = points.length >= 3;
    render();
  });
  kind.addEventListener("change", () => render());
  addEventListener("resize", () => render());

  // What only this script can do is shown now. A field that is folded away could not say what is missing in it.
  text.required = false;
  form.querySelector(".tools").hidden = false;
  form.querySelector(".help").hidden = false;
  svg.classList.add("live");
  render();
}

if (svg && form) start();
