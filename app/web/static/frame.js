// A box that is dragged on a paused frame fills the form below it. The fields can be typed into as well, and show there.
const stage = document.querySelector(".stage");
const video = stage?.querySelector("video");
const drawing = stage?.querySelector(".pick");
const rectangle = drawing?.querySelector("rect");
const form = document.querySelector("form.box");
const button = document.querySelector("#draw");
const NAMES = ["left", "top", "width", "height"];
let from = null;
let controls = true; // whether the film has its own just now

// Seconds of the film at which the moment begins: 0 in a clip, which is cut to it.
const began = () => Number(video.dataset.begin ?? 0);

// Where the picture lies inside the player, which may be wider or higher.
function picture() {
  const scale = Math.min(video.clientWidth / video.videoWidth, video.clientHeight / video.videoHeight);
  const [width, height] = [video.videoWidth * scale, video.videoHeight * scale];
  return { left: (video.clientWidth - width) / 2, top: (video.clientHeight - height) / 2, width, height };
}

function show() {
  const place = picture();
  const [left, top, width, height] = NAMES.map((name) => Number(form.elements[name].value) / 100);
  drawing.setAttribute("viewBox", `0 0 ${video.clientWidth} ${video.clientHeight}`);
  rectangle.setAttribute("x", place.left + left * place.width);
  rectangle.setAttribute("y", place.top + top * place.height);
  rectangle.setAttribute("width", Math.max(0, width * place.width));
  rectangle.setAttribute("height", Math.max(0, height * place.height));
}

function share(event) {
  const place = picture();
  const around = video.getBoundingClientRect();
  const inside = (value) => Math.min(Math.max(value, 0), 1);
  return [
    inside((event.clientX - around.left - place.left) / place.width),
    inside((event.clientY - around.top - place.top) / place.height),
  ];
}

function drag(event) {
  if (!from) return;
  const to = share(event);
  const box = [0, 1].map((k) => Math.min(from[k], to[k])).concat([0, 1].map((k) => Math.abs(from[k] - to[k])));
  NAMES.forEach((name, k) => (form.elements[name].value = (100 * box[k]).toFixed(2)));
  show();
}

function begin() {
  video.pause();
  controls = video.controls;
  video.controls = false;
  form.elements.seconds.value = Math.max(0, video.currentTime - began()).toFixed(3);
  form.querySelector("details").open = true;
  stage.classList.add("picking");
  button.textContent = "Back to the film";
  show();
}

function end() {
  video.controls = controls;
  stage.classList.remove("picking");
  button.textContent = "Pause, and draw a box around somebody";
}

async function toggle() {
  if (stage.classList.contains("picking")) return end();
  if (video.readyState < 2) {
    video.preload = "auto";
    button.disabled = true;
    video.load();
    await new Promise((done) => ["loadeddata", "error"].forEach((name) => video.addEventListener(name, done, { once: true })));
    button.disabled = false;
    if (video.error) return;
  }
  begin();
}

if (video && form && button) {
  button.hidden = false;
  button.addEventListener("click", toggle);
  drawing.addEventListener("pointerdown", (event) => {
    from = share(event);
    drawing.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  drawing.addEventListener("pointermove", drag);
  for (const name of ["pointerup", "pointercancel"]) drawing.addEventListener(name, (event) => (drag(event), (from = null)));
  form.addEventListener("input", (event) => {
    const { seekable } = video; // empty where the film can't be wound
    const seconds = began() + Number(event.target.value);
    if (event.target.name === "seconds" && seekable.length && seekable.end(0) >= seconds) video.currentTime = seconds;
    if (stage.classList.contains("picking")) show();
  });
  stage.parentElement.addEventListener("keydown", (event) => event.key === "Escape" && end());
  addEventListener("resize", () => stage.classList.contains("picking") && show());
}
