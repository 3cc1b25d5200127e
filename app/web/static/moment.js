// Where this browser plays the film itself, its moment is played from it, and the box is drawn over it. Else it is a clip.
const stage = document.querySelector(".stage");
const video = stage.querySelector("video");
const drawing = stage.querySelector(".boxed");
const rectangle = drawing.querySelector("rect");
const bar = stage.querySelector(".player");
const slider = bar.querySelector("input");
const [play, whole] = bar.querySelectorAll("button");
const clip = video.getAttribute("src");
const ROUNDING = 0.001; // s, of stamps
const SAME_SHAPE = 0.02;
let moment = null;
let wanted = false; // it is to play

// The box nearest in time, as a clip has it.
function draw(time) {
  const boxes = moment?.boxes ?? [];
  let low = 0;
  for (let high = boxes.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (boxes[middle][0] < time) low = middle + 1;
    else high = middle;
  }
  const nearest = [boxes[low - 1], boxes[low]].filter(Boolean).sort((a, b) => Math.abs(a[0] - time) - Math.abs(b[0] - time))[0];
  const inside = boxes.length && time >= boxes[0][0] - ROUNDING && time <= boxes.at(-1)[0] + ROUNDING;
  const shown = inside && Math.abs(nearest[0] - time) <= moment.near;
  rectangle.toggleAttribute("hidden", !shown);
  if (!shown) return;
  const [, x1, y1, x2, y2] = nearest;
  Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 }).forEach(([name, value]) => rectangle.setAttribute(name, value));
}

// The drawing lies over the player, which its own shape keeps in the middle, as the film's does the film.
function place() {
  drawing.setAttribute("width", video.clientWidth);
  drawing.setAttribute("height", video.clientHeight);
}

function look(time) {
  if (!moment) return;
  draw(time);
  const since = Math.max(0, time - moment.begin);
  slider.value = since;
  bar.querySelector("output").textContent = `${since.toFixed(1)} s`;
  if (time >= moment.end && !video.paused) video.pause();
}

function each(_, frame) {
  look(frame.mediaTime);
  if (moment) video.requestVideoFrameCallback(each);
}

function back() {
  moment = null;
  delete video.dataset.begin;
  bar.hidden = true;
  drawing.toggleAttribute("hidden", true);
  video.controls = true;
  video.src = clip;
  if (wanted) video.play();
}

async function begin() {
  const answer = await fetch(`${video.dataset.film}.json`);
  const found = answer.ok ? await answer.json() : null;
  if (!found || video.readyState || !video.paused) return; // it is a clip, or its clip plays already
  moment = found;
  drawing.setAttribute("viewBox", `0 0 ${moment.width} ${moment.height}`);
  video.dataset.begin = moment.begin;
  video.src = `${video.dataset.film}#t=${moment.begin},${moment.end}`;
  slider.max = moment.end - moment.begin;
  video.controls = false;
  bar.hidden = false;
  whole.hidden = !document.fullscreenEnabled;
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(each);
  else ["timeupdate", "seeked"].forEach((name) => video.addEventListener(name, () => look(video.currentTime)));
}

function toggle() {
  wanted = video.paused;
  if (!wanted) return video.pause();
  if (video.currentTime >= moment.end || video.currentTime < moment.begin) video.currentTime = moment.begin;
  video.play().catch(() => {}); // `error` tells why
}

video.addEventListener("error", () => moment && back());
video.addEventListener("loadedmetadata", () => {
  if (!moment) return;
  const shape = (video.videoWidth * moment.height) / (video.videoHeight * moment.width);
  if (!(Math.abs(shape - 1) < SAME_SHAPE)) back();
  place();
});
video.addEventListener("play", () => (play.textContent = "Pause"));
video.addEventListener("pause", () => {
  play.textContent = "Play";
  wanted = false;
});
video.addEventListener("click", () => moment && toggle());
play.addEventListener("click", toggle);
slider.addEventListener("input", () => {
  video.preload = "auto";
  video.currentTime = moment.begin + Number(slider.value);
});
whole.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()));
new ResizeObserver(place).observe(video);
begin();
