itk_module(
  UniverSeg
  DEPENDS
    ITKCommon
  DESCRIPTION "Universal medical image segmentation: UniverSeg and its support sets."
)
