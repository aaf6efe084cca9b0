"""The words of the operations centre and their rules; every other room imports this one."""
