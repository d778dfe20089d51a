"""Blocks of networks over masked time: they know tensors only, ``(batch, time, channel)``, True where valid.

========== ==========================================================================
masks      pooling over valid steps; a learned step where a modality is absent
attention  multi-head attention over masked keys, the cross-modal block
position   sinusoidal code of place
heads      projection, fusion of modalities with each one's share in closed form
divergence Jensen-Shannon and Kullback-Leibler, finite with zeros
losses     one loss a kind of label
scale      standardising by the training part, stored in the model
settings   dataclasses from a recipe's tables (needs no torch)
========== ==========================================================================
"""
