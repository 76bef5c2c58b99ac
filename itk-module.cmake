# Read by ITK when this checkout is one of its remote modules.
itk_module(
  UniverSeg
  DEPENDS
    ITKBinaryMathematicalMorphology
    ITKCommon
    ITKImageFunction
    ITKImageGrid
    ITKIOGDCM
    ITKIOImageBase
    ITKZLIB
  EXCLUDE_FROM_DEFAULT
  DESCRIPTION "Universal medical image segmentation: UniverSeg and its support sets."
)
