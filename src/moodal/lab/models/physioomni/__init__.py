"""PhysioOmni: any subset of brain, eye, heart and muscle signals, by a shared and private codebook (arXiv 2504.19596).

========== ======================================================================================
channels   one closed table of channel names, aliases, places on the head
specs      rate, patch, unit and target of each modality; sizes ``tiny`` and ``published``
tokens     samples → patches of one channel each, padded batches
encoder    one transformer a modality, published parameter counts
codebook   vectors learned by moving averages, k-means start, revival of unused ones
tokenizer  stage 1: shared and private codes, reconstruction across modalities
msm        stage 2: hidden patches, both codes predicted
finetune   stage 3: a common layout, prototypes, any subset of modalities
load       published weights from a file
========== ======================================================================================

Stages are run by `moodal.lab.train.physioomni`; what is published and what was decided here:
``docs/explanation/physioomni.md``.
"""
