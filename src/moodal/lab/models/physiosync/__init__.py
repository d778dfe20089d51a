"""PhysioSync: brain and body learn to agree across people, moments and lengths of window (arXiv 2504.17163).

========= =====================================================================================
specs     rate, patch and unit of each stream; sizes ``tiny`` and ``published``; windows
waves     samples → patches of one channel each, end to end, padded in front
encoder   one stream at one length of window: patches → three views → transformer → a feature
contrast  the loss by a table of positives; within a stream (LS-TCL), across streams (CM-CA)
augment   copies of a window: scaled, with noise
network   fine-tuning: streams at both lengths, weighted by their confidence
========= =====================================================================================

Stages are run by `moodal.lab.train.physiosync`; what is published and what was decided here:
``docs/explanation/physiosync.md``.
"""
