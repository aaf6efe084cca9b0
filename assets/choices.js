/* Dash calls a group of choices a listbox and puts real radio buttons into its options: a reader
 * for the blind then hears neither. Here it is what it is: a group with the name of its fieldset. */
new MutationObserver(function () {
  'use strict';
  document.querySelectorAll('fieldset .dash-options-list').forEach(function (box) {
    var kind = box.classList.contains('dash-radioitems') ? 'radiogroup' : 'group';
    if (box.getAttribute('role') !== kind) {
      box.setAttribute('role', kind);
      box.removeAttribute('aria-multiselectable');
      box.setAttribute('aria-label', box.closest('fieldset').querySelector('legend').textContent);
    }
    box.querySelectorAll('[role="option"], [aria-selected]').forEach(function (choice) {
      choice.removeAttribute('role');
      choice.removeAttribute('aria-selected');
    });
  });
}).observe(document.documentElement, {
  childList: true, subtree: true, attributes: true, attributeFilter: ['role', 'aria-selected']});
