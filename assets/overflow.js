/* Marks a box that scrolls sideways (data-wide) while it hides something on its right (data-more). */
(function () {
  'use strict';
  var due = 0;

  function mark(box) {
    var hidden = box.scrollWidth - box.clientWidth;
    box.toggleAttribute('data-wide', hidden > 4);
    box.toggleAttribute('data-more', hidden - box.scrollLeft > 4);
  }

  function look() {
    due = 0;
    document.querySelectorAll('.table-scroll').forEach(mark);
  }

  function soon() {
    if (!due) due = requestAnimationFrame(look);
  }

  document.addEventListener('scroll', function (event) {
    if (event.target.classList && event.target.classList.contains('table-scroll')) mark(event.target);
  }, { capture: true, passive: true });
  addEventListener('resize', soon);
  document.addEventListener('toggle', soon, true);
  new MutationObserver(soon).observe(document.documentElement, { childList: true, subtree: true });
  soon();
})();
