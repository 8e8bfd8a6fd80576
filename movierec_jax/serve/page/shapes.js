/** Shapes and labels of the map. */

/** Traces the outline of a disc. */
export function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

/** Draws a ring on a wider ring in the colour of the ground. */
export function ring(context, x, y, radius, colour, ground) {
  disc(context, x, y, radius);
  context.strokeStyle = ground;
  context.lineWidth = 5;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.stroke();
}

/** Traces the outline of a star with five points. */
export function star(context, x, y, radius) {
  context.beginPath();
  for (let n = 0; n < 10; n += 1) {
    const length = n % 2 ? radius * 0.45 : radius;
    const angle = (n * Math.PI) / 5 - Math.PI / 2;
    context.lineTo(x + length * Math.cos(angle), y + length * Math.sin(angle));
  }
  context.closePath();
}

/** Whether two boxes overlap. */
export const overlap = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

/** A title for the map, with its year. Of a long one the middle is left out: films of a series differ at the end. */
export function label(title, year) {
  const [start, end] = [title.slice(0, 12).replace(/\s+\S*$/, ""), title.slice(-24).replace(/^\S*\s+/, "")];
  const short = title.length > 30 ? `${start} … ${end}` : title;
  return year ? `${short} (${year})` : short;
}
