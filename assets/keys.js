/* Escape closes what the keyboard has opened, and stays where it was opened. */
document.addEventListener('keydown', function (event) {
  'use strict';
  var opened = event.key === 'Escape' && document.activeElement.closest('details[open]');
  if (!opened) return;
  opened.open = false;
  opened.querySelector('summary').focus();
});
