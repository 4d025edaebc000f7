/* A picture, and a thing to move about on it: what Gradio runs once the component is there.
   `props.value` holds `ground` and `thing`, addresses of pictures, and `cut`: whether a piece of the ground is cut out
   by dragging a frame. After each move the event `input` tells x, y and width as shares of the picture, and the frame. */
const state = { ground: null, thing: null, cut: false, x: 0.5, y: 0.5, width: 0.3, box: null, grip: null };

const canvas = () => element.querySelector("canvas");
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const height = () => (state.width * state.ground.width * state.thing.height) / state.thing.width / state.ground.height;

function picture(address) {
  return new Promise((resolve) => {
    if (!address) return resolve(null);
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = address;
  });
}

async function begin() {
  const value = props.value || {};
  state.wanted = value;
  const [ground, thing] = await Promise.all([picture(value.ground), picture(value.thing)]);
  if (state.wanted !== value) return; // another one has come meanwhile
  Object.assign(state, { ground, thing, cut: !!value.cut, x: 0.5, y: 0.5, width: 0.3, box: null, grip: null });
  draw();
  if (thing) tell();
}

function draw() {
  const view = canvas();
  if (!view || !state.ground) return;
  view.width = 768;
  view.height = Math.round((768 * state.ground.height) / state.ground.width);
  const pen = view.getContext("2d");
  pen.drawImage(state.ground, 0, 0, view.width, view.height);
  pen.lineWidth = 2;
  pen.setLineDash([8, 6]);
  pen.strokeStyle = "#ffffff";
  pen.shadowColor = "#000000";
  pen.shadowBlur = 3;
  const frame = (left, top, width, high) =>
    pen.strokeRect(left * view.width, top * view.height, width * view.width, high * view.height);
  if (state.thing) {
    const [left, top] = [state.x - state.width / 2, state.y - height() / 2];
    pen.shadowBlur = 0;
    pen.drawImage(state.thing, left * view.width, top * view.height, state.width * view.width, height() * view.height);
    pen.shadowBlur = 3;
    frame(left, top, state.width, height());
  } else if (state.box) {
    const [x0, y0, x1, y1] = state.box;
    frame(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
  }
  const size = element.querySelector("input[type=range]");
  if (size) size.value = Math.round(state.width * 100);
}

function tell() {
  const { x, y, width, box } = state;
  trigger("input", { x, y, width, box });
}

function place(event) {
  const area = canvas().getBoundingClientRect();
  return [clamp((event.clientX - area.left) / area.width, 0, 1), clamp((event.clientY - area.top) / area.height, 0, 1)];
}

function cutOut() {
  const [x0, y0, x1, y1] = state.box;
  state.box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  const [left, top, right, bottom] = state.box;
  const { width, height } = state.ground;
  const piece = document.createElement("canvas");
  piece.width = Math.round((right - left) * width);
  piece.height = Math.round((bottom - top) * height);
  if (piece.width < 3 || piece.height < 3) return void (state.box = null);
  piece.getContext("2d").drawImage(state.ground, -left * width, -top * height);
  Object.assign(state, { thing: piece, x: (left + right) / 2, y: (top + bottom) / 2, width: right - left });
}

element.addEventListener("pointerdown", (event) => {
  if (event.target !== canvas() || !state.ground || !(state.thing || state.cut)) return;
  event.preventDefault();
  canvas().focus();
  canvas().setPointerCapture(event.pointerId);
  const [x, y] = place(event);
  const inside = state.thing && Math.abs(x - state.x) <= state.width / 2 && Math.abs(y - state.y) <= height() / 2;
  if (state.cut && !inside) Object.assign(state, { thing: null, box: [x, y, x, y] });
  state.grip = state.thing ? [x - state.x, y - state.y] : [0, 0];
  if (state.thing && !inside) Object.assign(state, { x, y, grip: [0, 0] });
  draw();
});

element.addEventListener("pointermove", (event) => {
  if (!state.grip) return;
  const [x, y] = place(event);
  if (state.thing) Object.assign(state, { x: x - state.grip[0], y: y - state.grip[1] });
  else if (state.box) state.box = [state.box[0], state.box[1], x, y];
  draw();
});

function release() {
  if (!state.grip) return;
  state.grip = null;
  if (!state.thing && state.box) cutOut();
  draw();
  if (state.thing) tell();
}
element.addEventListener("pointerup", release);
element.addEventListener("pointercancel", release);

function resize(width) {
  state.width = clamp(width, 0.03, 1.5);
  draw();
}

element.addEventListener("input", (event) => {
  if (event.target.type === "range" && state.thing) resize(event.target.value / 100);
});
element.addEventListener("change", (event) => {
  if (event.target.type === "range" && state.thing) tell();
});

element.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.target !== canvas() || !state.thing) return;
  if (moves[event.key]) {
    state.x = clamp(state.x + 0.01 * moves[event.key][0], 0, 1);
    state.y = clamp(state.y + 0.01 * moves[event.key][1], 0, 1);
  } else if (event.key === "+" || event.key === "-") resize(state.width * (event.key === "+" ? 1.05 : 1 / 1.05));
  else return;
  event.preventDefault();
  draw();
});
element.addEventListener("keyup", (event) => {
  if (event.target === canvas() && state.thing && /^(Arrow|[+-]$)/.test(event.key)) tell();
});

watch("value", begin);
begin();
