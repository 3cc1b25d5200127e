// The newest picture of a live camera, again and again while somebody looks.
const PAUSE = 2000; // ms between two pictures
const LONGEST = 30 * 60 * 1000; // ms without a sign of anybody, after which it stands still

for (const picture of document.querySelectorAll("img.live")) {
  const address = picture.src;
  const status = picture.parentElement.querySelector("[role=status]");
  const say = (words) => {
    if (status.textContent !== words) status.textContent = words;
  };
  let seen = Date.now();
  for (const sign of ["pointermove", "keydown", "scroll", "visibilitychange"]) {
    document.addEventListener(sign, () => { seen = Date.now(); }, { passive: true });
  }
  const next = () => {
    if (document.hidden) {
      setTimeout(next, PAUSE);
    } else if (Date.now() - seen > LONGEST) {
      say("It stands still, as nobody moved for half an hour. Move the pointer to go on.");
      setTimeout(next, PAUSE);
    } else {
      picture.src = `${address}?at=${Date.now()}`;
    }
  };
  picture.addEventListener("load", () => {
    say("The newest picture. Another one comes every two seconds.");
    setTimeout(next, PAUSE);
  });
  picture.addEventListener("error", () => {
    say("No newer picture comes just now. Load the page again to see why.");
    setTimeout(next, 5 * PAUSE);
  });
  setTimeout(next, PAUSE);
}
