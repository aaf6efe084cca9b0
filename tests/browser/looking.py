"""What a test sees of a page: texts with the ink they need and the room they have, and pixels."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

TEXTS = """
() => {
  // Every text that is drawn: where its ink is, its size, and who cuts it off.
  const canvas = document.createElement('canvas').getContext('2d');
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const words = node.textContent.trim();
    const element = node.parentElement;
    if (!words || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName)) continue;
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const lines = [...range.getClientRects()].filter(r => r.width > 0 && r.height > 0);
    if (!lines.length) continue;
    const style = getComputedStyle(element);
    canvas.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const ink = canvas.measureText(words);
    const font = parseFloat(style.fontSize);
    const svg = element instanceof SVGElement;
    const cut = [];
    for (const line of lines) {
      // the line's rectangle is the font's box: its ink stands inside, from the baseline
      const spare = line.height - (ink.fontBoundingBoxAscent + ink.fontBoundingBoxDescent);
      const base = line.top + spare / 2 + ink.fontBoundingBoxAscent;
      const box = svg ? line : {
        left: line.left, right: line.right,
        top: base - ink.actualBoundingBoxAscent, bottom: base + ink.actualBoundingBoxDescent};
      for (let up = element; up && up !== document.documentElement; up = up.parentElement) {
        const s = getComputedStyle(up);
        const room = up.getBoundingClientRect();
        const hides = v => v === 'hidden' || v === 'clip';
        const scrolls = v => v === 'auto' || v === 'scroll';
        const name = up.tagName.toLowerCase() + '.' + (up.getAttribute('class') || '');
        if (hides(s.overflowX) && (box.left < room.left - 1 || box.right > room.right + 1))
          cut.push([name, 'x', Math.round(box.right - room.right)]);
        if (hides(s.overflowY) && (box.top < room.top - 1 || box.bottom > room.bottom + 1))
          cut.push([name, 'y', Math.round(Math.max(room.top - box.top, box.bottom - room.bottom))]);
        if (scrolls(s.overflowX) || scrolls(s.overflowY)) break;
        if (s.position === 'fixed') break;
      }
    }
    let box = element;
    while (box && getComputedStyle(box).display.startsWith('inline') && !svg &&
           getComputedStyle(box).display === 'inline') box = box.parentElement;
    const wide = !svg && box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1
      && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX);
    // a line scrolled out of its box is not drawn
    let scroller = element;
    while (scroller && !['auto', 'scroll'].includes(getComputedStyle(scroller).overflowY))
      scroller = scroller.parentElement;
    const room = scroller && scroller.getBoundingClientRect();
    const inRoom = l => !room || (l.bottom <= room.bottom + 1 && l.top >= room.top - 1);
    const drawn = lines.filter(inRoom);
    const first = lines[0];
    found.push({
      words, font, svg, cut, wide,
      over: wide ? box.scrollWidth - box.clientWidth : 0,
      place: element.tagName.toLowerCase() + '.' + (element.getAttribute('class') || ''),
      boxes: drawn.map(l => [l.left, l.top + l.height * .18, l.right, l.bottom - l.height * .18]),
      left: first.left, top: first.top,
    });
  }
  return found;
}
"""

SAID = """
() => {
  // Every word that a reader or a screen reader meets, drawn or not yet opened.
  const said = [document.title];
  const skip = new Set(['SCRIPT', 'STYLE', 'NOSCRIPT']);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    if (!skip.has(node.parentElement.tagName)) said.push(node.textContent);
  const names = ['title', 'aria-label', 'alt', 'placeholder', 'data-title', 'aria-description'];
  for (const name of names)
    document.querySelectorAll(`[${name}]`).forEach(e => said.push(e.getAttribute(name)));
  document.querySelectorAll('*').forEach(e => {
    for (const part of ['::before', '::after']) {
      const content = getComputedStyle(e, part).content;
      if (content && content.startsWith('"')) said.push(content.slice(1, -1));
    }
  });
  return said.map(s => s.trim()).filter(Boolean);
}
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One text on the screen: its words, CSS pixels of its letters, what is wrong with its room."""

    words: str
    place: str
    font: float
    svg: bool
    cut: list
    wide: bool
    over: int
    boxes: list
    left: float
    top: float


def texts(page: Any) -> list[Drawn]:
    """Every text that the page draws."""
    return [Drawn(**found) for found in page.evaluate(TEXTS)]


def said(page: Any) -> list[str]:
    """Every text of the page: also titles, labels and what is folded away."""
    return page.evaluate(SAID)


def squeezed(found: list[Drawn]) -> list[str]:
    """The texts that are wider than their box or cut off by somebody, as sentences."""
    return [
        f"“{text.words}” in {text.place}: {text.cut or f'{text.over} px too wide'}"
        for text in found
        if text.cut or text.wide
    ]


def collisions(found: list[Drawn], *, svg: bool = False) -> list[str]:
    """Pairs of texts whose letters lie over one another."""
    boxes = [(box, text) for text in found if text.svg == svg for box in text.boxes]
    boxes.sort(key=lambda pair: pair[0][1])
    hits = []
    for i, (a, first) in enumerate(boxes):
        for b, second in boxes[i + 1 :]:
            if b[1] >= a[3]:
                break
            if first is not second and a[0] + 1 < b[2] and b[0] + 1 < a[2] and b[1] + 1 < a[3]:
                hits.append(f"“{first.words}” over “{second.words}”")
    return hits


# --- pixels --------------------------------------------------------------------------------------


def picture(page: Any, box: Any = None) -> Image.Image:
    """The screen, or a part of it as ``{x, y, width, height}``, as RGB."""
    more = {"clip": box} if box else {}
    return Image.open(BytesIO(page.screenshot(**more))).convert("RGB")


def picture_of(locator: Any) -> Image.Image:
    """One element as RGB."""
    return Image.open(BytesIO(locator.screenshot())).convert("RGB")


def crops(page: Any, *selectors: str) -> list[dict[str, Any]]:
    """What an element and parts of it look like, all from one picture of the screen.

    For each element of the first selector: its attributes ``data``, and for the first selector
    and each further one, looked up inside it, ``(box in the element's image, image)``.
    """
    found = page.evaluate(
        "([first, ...rest]) => [...document.querySelectorAll(first)].map(e => ({"
        " data: {...e.dataset}, boxes: [e, ...rest.map(s => e.querySelector(s))].map(p => {"
        "  const r = p && p.getBoundingClientRect();"
        "  return p && r.width ? [r.left, r.top, r.right, r.bottom] : null; })}))",
        list(selectors),
    )
    whole = picture(page)
    for each in found:
        for selector, box in zip(selectors, each.pop("boxes"), strict=True):
            edges = box and tuple(round(edge) for edge in box)
            each[selector] = (edges, whole.crop(edges)) if edges else None
    return found


def rgb(colour: str) -> tuple[int, int, int]:
    """#A8B0B8 as numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def pixels_of(image: Image.Image, colour: str, *, near: int = 24) -> np.ndarray:
    """Where an image has about this colour: rows and columns of a mask."""
    return (np.abs(np.asarray(image, dtype=int) - rgb(colour)) <= near).all(axis=2)


def saturated(image: Image.Image, *, over: int = 60) -> np.ndarray:
    """Where an image has a colour that is clearly not grey."""
    seen = np.asarray(image, dtype=int)
    return seen.max(axis=2) - seen.min(axis=2) > over


def contrast(image: Image.Image) -> float:
    """The contrast ratio (WCAG) that a greyscale print of an image has between its extremes."""
    share = np.asarray(image.convert("L"), dtype=float) / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    low, high = np.percentile(light, [2, 98])  # not one stray pixel
    return (high + 0.05) / (low + 0.05)


def outline(image: Image.Image, size: int = 24) -> np.ndarray:
    """A shape in grey, cut to its ink and scaled, 0 (ground) to 1 (ink)."""
    grey = np.asarray(image.convert("L"), dtype=int)
    away = np.abs(grey - grey[0, 0])
    marked = Image.fromarray((away * 255 // max(away.max(), 1)).astype("uint8"))
    box = marked.point([255 * (value > 80) for value in range(256)]).getbbox()
    scaled = marked.crop(box or (0, 0, *marked.size)).resize((size, size))
    return np.asarray(scaled, dtype=float) / 255


def unlike(first: np.ndarray, second: np.ndarray) -> float:
    """How much two outlines differ, 0 to 1."""
    return float(np.abs(first - second).mean())
